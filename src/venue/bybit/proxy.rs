//! Connections through a proxy, for sockets; REST has its own. HTTP `CONNECT` and SOCKS5, with or without a password.

use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::rest::Stage;
use super::socket::{Trouble, tcp};

/// A proxy's answer to `CONNECT` is short.
const ANSWER_MAX: usize = 4_096;

/// A connection to `host` through the proxy at `url`.
pub(super) async fn tunnel(url: &str, host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let wrong = |why: &str| Trouble::new(Stage::Connect, format!("the proxy {why}"));
    let proxy = Url::parse(url).map_err(|_| wrong("has an address that cannot be read"))?;
    let at = proxy.host_str().ok_or_else(|| wrong("has no host"))?;
    let standard = if proxy.scheme().starts_with("socks5") { 1080 } else { 8080 };
    let mut stream = tcp(at, proxy.port().unwrap_or(standard)).await?;
    let login = (!proxy.username().is_empty()).then(|| (proxy.username(), proxy.password().unwrap_or_default()));
    let done = match proxy.scheme() {
        "http" => http(&mut stream, host, port, login).await,
        "socks5" | "socks5h" => socks(&mut stream, host, port, login).await,
        _ => return Err(wrong("is neither http nor socks5")),
    };
    match done {
        Ok(true) => Ok(stream),
        Ok(false) => Err(wrong("refused the connection")),
        Err(error) => Err(wrong(&format!("does not answer as one: {error}"))),
    }
}

type Login<'a> = Option<(&'a str, &'a str)>;

async fn http(stream: &mut TcpStream, host: &str, port: u16, login: Login<'_>) -> std::io::Result<bool> {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some((user, password)) = login {
        let pair = base64(format!("{user}:{password}").as_bytes());
        request.extend(["Proxy-Authorization: Basic ", &pair, "\r\n"]);
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the answer belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < ANSWER_MAX {
        answer.push(stream.read_u8().await?);
    }
    let status = answer.split(|byte| *byte == b' ').nth(1);
    Ok(status == Some(b"200"))
}

async fn socks(stream: &mut TcpStream, host: &str, port: u16, login: Login<'_>) -> std::io::Result<bool> {
    let method: u8 = if login.is_some() { 2 } else { 0 };
    stream.write_all(&[5, 1, method]).await?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    if chosen != [5, method] {
        return Ok(false);
    }
    if let Some((user, password)) = login {
        let mut hello = vec![1];
        for part in [user, password] {
            let Ok(length) = u8::try_from(part.len()) else { return Ok(false) };
            hello.push(length);
            hello.extend_from_slice(part.as_bytes());
        }
        stream.write_all(&hello).await?;
        let mut verdict = [0; 2];
        stream.read_exact(&mut verdict).await?;
        if verdict[1] != 0 {
            return Ok(false);
        }
    }
    // The name goes to the proxy: it resolves it.
    let Ok(length) = u8::try_from(host.len()) else { return Ok(false) };
    let mut request = vec![5, 1, 0, 3, length];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let address = match head[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await?),
    };
    let mut bound = vec![0; address + 2];
    stream.read_exact(&mut bound).await?;
    Ok(head[1] == 0)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [chunk.first(), chunk.get(1), chunk.get(2)].map(|byte| usize::from(byte.copied().unwrap_or(0)));
        let sextets = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (place, sextet) in sextets.into_iter().enumerate() {
            text.push(if place <= chunk.len() { char::from(DIGITS[sextet & 63]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn logins_are_encoded() {
        assert_eq!(base64(b"user:pass"), "dXNlcjpwYXNz");
        assert_eq!(base64(b"a:b1"), "YTpiMQ==");
        assert_eq!(base64(b"a:b"), "YTpi");
    }

    /// Serves one proxied connection with the given answers, each after having read as many bytes; then echoes a byte.
    async fn served(listener: TcpListener, script: Vec<(usize, &'static [u8])>) {
        let (mut stream, _) = listener.accept().await.unwrap();
        for (read, answer) in script {
            let mut bytes = vec![0; read];
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(answer).await.unwrap();
        }
        let byte = stream.read_u8().await.unwrap();
        stream.write_u8(byte).await.unwrap();
    }

    #[test]
    fn both_kinds_of_proxy_carry_a_connection() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connect = "CONNECT x.test:443 HTTP/1.1\r\nHost: x.test:443\r\n\r\n";
        let ok: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
        let bound: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
        let socks: Vec<(usize, &[u8])> = vec![(3, &[5, 0]), (5 + 6 + 2, bound)];
        runtime.block_on(async {
            for (scheme, script) in [("http", vec![(connect.len(), ok)]), ("socks5", socks)] {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("{scheme}://{}", listener.local_addr().unwrap());
                let server = tokio::spawn(served(listener, script));
                let mut stream = tunnel(&url, "x.test", 443).await.unwrap();
                stream.write_u8(7).await.unwrap();
                assert_eq!(stream.read_u8().await.unwrap(), 7);
                server.await.unwrap();
            }
        });
    }
}
