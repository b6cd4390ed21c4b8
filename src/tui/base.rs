//! The base screen: banner, panes, the sticky notice line, keys. Layers are drawn over it by the shell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::panes::Scene;
use super::widgets::pen::Pen;

/// Draws the whole screen into `area`.
pub fn draw_base(area: Rect, buffer: &mut Buffer, scene: &Scene<'_>) {
    buffer.set_style(area, scene.theme.ground);
    let mut pen = Pen::new(buffer, area);
    pen.put(0, 0, &format!("{:?}", scene.snapshot.state.word), scene.theme.banner_paper);
    let hint = scene.ui.hint.clone().unwrap_or_default();
    pen.put(0, area.height.saturating_sub(1), &hint, scene.theme.warn);
}
