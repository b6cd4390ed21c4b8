//! Requests and answers: one JSON head, tensors inside it or as raw little-endian bytes behind it.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::numbers::Numbers;
use super::{TENSORS_MAX, Tensor, WireError, told};

/// How numbers travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the JSON.
    Json,
    /// Behind the JSON, four bytes each, little-endian.
    Binary,
}

/// A body, and how many bytes of it are JSON where binary tensors follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The body.
    pub body: Vec<u8>,
    /// Value of the header [`super::HEADER_LENGTH`]; `None` where everything is JSON.
    pub header_length: Option<usize>,
}

/// An output that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// How its numbers are to travel.
    pub form: Form,
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Repeated in the answer.
    pub id: Option<String>,
    /// What goes in.
    pub inputs: Vec<Tensor>,
    /// What is to come out; empty means everything.
    pub outputs: Vec<Wanted>,
    /// How outputs travel that are not named.
    pub usual_form: Form,
}

/// What a model answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Model.
    pub model_name: String,
    /// Its version, where it has one.
    pub model_version: Option<String>,
    /// That of the request.
    pub id: Option<String>,
    /// What came out.
    pub outputs: Vec<Tensor>,
}

/// A tensor in the head.
#[derive(Serialize, Deserialize)]
struct TensorHead {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<TensorParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Numbers>,
}

/// What this program reads of a tensor's parameters; others may have more.
#[derive(Default, Serialize, Deserialize)]
struct TensorParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary_data_size: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary_data: Option<bool>,
}

#[derive(Deserialize)]
struct RequestHead {
    #[serde(default)]
    id: Option<String>,
    inputs: Vec<TensorHead>,
    #[serde(default)]
    outputs: Vec<WantedHead>,
    #[serde(default)]
    parameters: Option<RequestParameters>,
}

#[derive(Deserialize)]
struct WantedHead {
    name: String,
    #[serde(default)]
    parameters: Option<TensorParameters>,
}

#[derive(Deserialize)]
struct RequestParameters {
    #[serde(default)]
    binary_data_output: Option<bool>,
}

#[derive(Deserialize)]
struct ResponseHead {
    model_name: String,
    #[serde(default)]
    model_version: Option<String>,
    #[serde(default)]
    id: Option<String>,
    outputs: Vec<TensorHead>,
}

/// A head with its list of tensors, whose numbers keep their 32 bits.
struct Message {
    head: Map<String, Value>,
    list: &'static str,
    tensors: Vec<TensorHead>,
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.head {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry(self.list, &self.tensors)?;
        map.end()
    }
}

impl Form {
    const fn of(binary: bool) -> Self {
        if binary { Self::Binary } else { Self::Json }
    }
}

impl Request {
    /// Reads a request; `header_length` is what the header says, where there is one.
    pub fn parse(body: &[u8], header_length: Option<usize>) -> Result<Self, WireError> {
        let (head, raw) = split(body, header_length)?;
        let head: RequestHead = json(head)?;
        let binary = head.parameters.and_then(|p| p.binary_data_output).unwrap_or(false);
        let usual_form = Form::of(binary);
        let wanted = |wanted: WantedHead| {
            let own = wanted.parameters.and_then(|p| p.binary_data);
            Wanted { name: wanted.name, form: own.map_or(usual_form, Form::of) }
        };
        Ok(Self {
            id: head.id,
            inputs: tensors(head.inputs, raw)?,
            outputs: head.outputs.into_iter().map(wanted).collect(),
            usual_form,
        })
    }

    /// Writes it with its inputs in this form.
    pub fn encode(&self, form: Form) -> Encoded {
        let mut head = Map::new();
        if let Some(id) = &self.id {
            head.insert("id".into(), id.as_str().into());
        }
        if !self.outputs.is_empty() {
            let outputs = self.outputs.iter().map(|wanted| {
                serde_json::json!({ "name": wanted.name, "parameters": { "binary_data": wanted.form == Form::Binary } })
            });
            head.insert("outputs".into(), outputs.collect());
        }
        encode(head, "inputs", self.inputs.iter().map(|tensor| (tensor, form)))
    }
}

impl Response {
    /// Reads an answer; `header_length` is what the header says, where there is one.
    pub fn parse(body: &[u8], header_length: Option<usize>) -> Result<Self, WireError> {
        let (head, raw) = split(body, header_length)?;
        let head: ResponseHead = json(head)?;
        Ok(Self {
            model_name: head.model_name,
            model_version: head.model_version,
            id: head.id,
            outputs: tensors(head.outputs, raw)?,
        })
    }

    /// Writes it, each output in the form that `form` says for its name.
    pub fn encode(&self, form: impl Fn(&str) -> Form) -> Encoded {
        let mut head = Map::new();
        head.insert("model_name".into(), self.model_name.as_str().into());
        if let Some(version) = &self.model_version {
            head.insert("model_version".into(), version.as_str().into());
        }
        if let Some(id) = &self.id {
            head.insert("id".into(), id.as_str().into());
        }
        encode(head, "outputs", self.outputs.iter().map(|tensor| (tensor, form(&tensor.name))))
    }
}

fn json<'a, T: Deserialize<'a>>(head: &'a [u8]) -> Result<T, WireError> {
    serde_json::from_slice(head).map_err(|error| WireError::Json(told(&error.to_string())))
}

/// The JSON and what follows it.
fn split(body: &[u8], header_length: Option<usize>) -> Result<(&[u8], &[u8]), WireError> {
    match header_length {
        None => Ok((body, &[])),
        Some(said) => body.split_at_checked(said).ok_or(WireError::HeaderLength { said, found: body.len() }),
    }
}

fn tensors(heads: Vec<TensorHead>, mut raw: &[u8]) -> Result<Vec<Tensor>, WireError> {
    if heads.len() > TENSORS_MAX {
        return Err(WireError::Tensors(format!("{} tensors, at most {TENSORS_MAX} are taken", heads.len())));
    }
    let mut tensors: Vec<Tensor> = Vec::with_capacity(heads.len());
    for head in heads {
        let tensor = tensor(head, &mut raw)?;
        if tensors.iter().any(|other| other.name == tensor.name) {
            return Err(WireError::Tensors(format!("two tensors are called `{}`", tensor.name)));
        }
        tensors.push(tensor);
    }
    if !raw.is_empty() {
        return Err(WireError::Tensors(format!("{} bytes follow that belong to no tensor", raw.len())));
    }
    Ok(tensors)
}

/// One tensor; what it takes of the bytes behind the head is cut off there.
fn tensor(head: TensorHead, raw: &mut &[u8]) -> Result<Tensor, WireError> {
    let name = told(&head.name);
    let misshapen = |why: String| WireError::Shape { tensor: name.clone(), why };
    let width = match head.datatype.as_str() {
        "FP32" => 4,
        "FP64" => 8,
        other => return Err(WireError::Datatype { tensor: name, found: told(other) }),
    };
    let count = head.shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length));
    let count = count.ok_or_else(|| misshapen("its shape is beyond counting".to_owned()))?;
    let values = match (head.data, head.parameters.and_then(|p| p.binary_data_size)) {
        (Some(Numbers(values)), None) => values,
        (None, Some(size)) => {
            let (own, rest) = raw
                .split_at_checked(size)
                .ok_or_else(|| misshapen(format!("{size} bytes are announced, {} follow", raw.len())))?;
            *raw = rest;
            read_raw(own, width).ok_or_else(|| misshapen(format!("{size} bytes are no whole count of numbers")))?
        }
        (Some(_), Some(_)) => return Err(misshapen("it has both `data` and `binary_data_size`".to_owned())),
        (None, None) => return Err(misshapen("it has neither `data` nor `binary_data_size`".to_owned())),
    };
    if values.len() != count {
        return Err(misshapen(format!("its shape {:?} needs {count} values, it has {}", head.shape, values.len())));
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(place) => Err(WireError::NotFinite { tensor: name, place }),
        None => Ok(Tensor { name: head.name, shape: head.shape, values }),
    }
}

/// Little-endian numbers of four or eight bytes.
fn read_raw(bytes: &[u8], width: usize) -> Option<Vec<f32>> {
    let numbers = bytes.chunks(width).map(|chunk| match width {
        4 => chunk.try_into().ok().map(f32::from_le_bytes),
        _ => chunk.try_into().ok().map(|eight| f64::from_le_bytes(eight) as f32),
    });
    numbers.collect()
}

fn encode<'a>(
    head: Map<String, Value>,
    list: &'static str,
    tensors: impl Iterator<Item = (&'a Tensor, Form)>,
) -> Encoded {
    let (mut heads, mut raw, mut binary) = (Vec::new(), Vec::new(), false);
    for (tensor, form) in tensors {
        let mut entry = TensorHead {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            datatype: "FP32".to_owned(),
            parameters: None,
            data: None,
        };
        match form {
            Form::Json => entry.data = Some(Numbers(tensor.values.clone())),
            Form::Binary => {
                binary = true;
                let size = tensor.values.len() * 4;
                entry.parameters = Some(TensorParameters { binary_data_size: Some(size), binary_data: None });
                raw.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        heads.push(entry);
    }
    // Maps of texts and numbers always become JSON.
    let mut body = serde_json::to_vec(&Message { head, list, tensors: heads }).unwrap_or_default();
    let header_length = binary.then_some(body.len());
    body.append(&mut raw);
    Encoded { body, header_length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(values: Vec<f32>) -> Request {
        let tensor = Tensor { name: "features".into(), shape: vec![2, values.len() / 2], values };
        let outputs = vec![Wanted { name: "probabilities".into(), form: Form::Binary }];
        Request { id: Some("7".into()), inputs: vec![tensor], outputs, usual_form: Form::Json }
    }

    fn refusal(text: &str) -> String {
        Request::parse(text.as_bytes(), None).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again_bit_for_bit_in_both_forms() {
        let values = vec![0.1, -3.5e-7, f32::MIN_POSITIVE, 16_777_217.0, 1.0 / 3.0, -0.0];
        let sent = request(values);
        for form in [Form::Json, Form::Binary] {
            let Encoded { body, header_length } = sent.encode(form);
            assert_eq!(header_length.is_some(), form == Form::Binary);
            let read = Request::parse(&body, header_length).unwrap();
            let bits = |request: &Request| request.inputs[0].values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&read), bits(&sent), "{form:?}");
            assert_eq!(read, sent);
        }
    }

    #[test]
    fn nested_and_flat_data_and_sixty_four_bits_are_the_same_numbers() {
        let one = r#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2.5],[-3,4]]}]}"#;
        let other = r#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP64","data":[1,2.5,-3,4]}]}"#;
        let read = |text: &str| Request::parse(text.as_bytes(), None).unwrap().inputs;
        assert_eq!(read(one), read(other));
        let mut body =
            br#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":8}}]}"#.to_vec();
        let head = body.len();
        body.extend(2.5_f64.to_le_bytes());
        assert_eq!(Request::parse(&body, Some(head)).unwrap().inputs[0].values, [2.5]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let tensor = |rest: &str| format!(r#"{{"inputs":[{{"name":"x",{rest}}}]}}"#);
        let cases = [
            ("[]".to_owned(), "not the JSON"),
            ("{\"inputs\":".to_owned(), "not the JSON"),
            (tensor(r#""shape":[1],"datatype":"FP32","data":[NaN]"#), "not the JSON"),
            (tensor(r#""shape":[1],"datatype":"FP32","data":["1"]"#), "not the JSON"),
            (tensor(r#""shape":[-1],"datatype":"FP32","data":[1]"#), "not the JSON"),
            (tensor(r#""shape":[2],"datatype":"FP32","data":[1]"#), "needs 2 values, it has 1"),
            (tensor(r#""shape":[18446744073709551615,9],"datatype":"FP32","data":[1]"#), "beyond counting"),
            (tensor(r#""shape":[1],"datatype":"INT64","data":[1]"#), "datatype `INT64`"),
            (tensor(r#""shape":[1],"datatype":"FP32","data":[1e39]"#), "not finite"),
            (tensor(r#""shape":[1],"datatype":"FP32""#), "neither"),
            (tensor(r#""shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}"#), "4 bytes are announced"),
            (
                r#"{"inputs":[{"name":"x","shape":[0],"datatype":"FP32","data":[]},{"name":"x","shape":[0],"datatype":"FP32","data":[]}]}"#.to_owned(),
                "two tensors",
            ),
        ];
        for (text, word) in cases {
            let said = refusal(&text);
            assert!(said.contains(word), "{text}: {said}");
        }
        let deep = format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32","data":{}1"#, "[".repeat(100_000));
        assert!(refusal(&deep).contains("recursion"));
        assert_eq!(Request::parse(b"{}", Some(3)), Err(WireError::HeaderLength { said: 3, found: 2 }));
        let head = br#"{"inputs":[]}..."#;
        assert!(Request::parse(head, Some(13)).unwrap_err().to_string().contains("3 bytes follow"));
    }

    #[test]
    fn an_answer_is_read_whatever_else_it_says() {
        let text = r#"{"model_name":"m","model_version":null,"id":"1","parameters":{"content_type":"np"},
            "outputs":[{"name":"p","shape":[1,3],"datatype":"FP64","data":[0.2,0.5,0.3],"parameters":{"content_type":"np"}}]}"#;
        let read = Response::parse(text.as_bytes(), None).unwrap();
        assert_eq!((read.model_name.as_str(), read.model_version.as_deref()), ("m", None));
        let Encoded { body, header_length } = read.encode(|_| Form::Binary);
        assert_eq!(Response::parse(&body, header_length).unwrap(), read);
    }
}
