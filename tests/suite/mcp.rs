//! MCP: the tools, their arguments and results, progress and cancelling, over a pair of streams as over standard input
//! and output.

mod binary;
mod http;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{Rgb, RgbImage};
use lavr::agent::Agent;
use lavr::chat::ChatModel;
use lavr::config::Config;
use lavr::error::{Error, ErrorKind};
use lavr::image::{Frame, Image, ImageLimits};
use lavr::signature::Signature;
use lavr::tool::{Catalog, Tool};
use lavr::value::{Grid, Mask, Region, Value};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::agent::{dogs_plan, says, tools};
use crate::fakes::{Script, arg, catalog, picture, quick, signature, spec, tool};
use crate::followup::alone;
use crate::service::{config, data_url, dogs};

/// Longer than anything here takes.
const LATE: Duration = Duration::from_secs(60);

/// A client that speaks over streams.
struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    output: WriteHalf<DuplexStream>,
    served: JoinHandle<lavr::error::Result<()>>,
}

impl Client {
    async fn start(chat: Arc<dyn ChatModel>, catalog: Catalog, config: Config) -> Self {
        let agent = Agent::builder().chat(chat).catalog(catalog).build().unwrap();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let served = tokio::spawn(async move {
            lavr::mcp::serve(agent, &config, tokio::io::split(theirs), CancellationToken::new()).await
        });
        let (input, output) = tokio::io::split(ours);
        let mut client = Self { lines: BufReader::new(input).lines(), output, served };
        client.send(&begin()).await;
        let reply = client.next().await;
        assert_eq!(reply["result"]["serverInfo"]["name"], "lavr", "{reply}");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        client
    }

    async fn with_tools(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        Self::start(Script::new(Vec::<String>::new()), catalog(tools), config()).await
    }

    async fn say(&mut self, line: &str) {
        self.output.write_all(line.as_bytes()).await.unwrap();
        self.output.write_all(b"\n").await.unwrap();
    }

    async fn send(&mut self, message: &Json) {
        self.say(&message.to_string()).await;
    }

    /// The next message of the server.
    async fn next(&mut self) -> Json {
        let line = tokio::time::timeout(LATE, self.lines.next_line()).await.expect("the server is silent");
        serde_json::from_str(&line.unwrap().expect("the server is gone")).expect("a line is no message")
    }

    async fn ask(&mut self, message: &Json) -> Json {
        self.send(message).await;
        self.next().await
    }

    /// What a call returns.
    async fn call(&mut self, name: &str, arguments: &Json) -> Json {
        self.ask(&call(1, name, arguments)).await
    }
}

/// The first message of a client.
fn begin() -> Json {
    let about = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

fn call(id: u64, name: &str, arguments: &Json) -> Json {
    let params = json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": format!("call {id}") } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

/// The same call without a wish to be told of progress.
fn quiet(id: u64, name: &str, arguments: &Json) -> Json {
    let mut call = call(id, name, arguments);
    call["params"].as_object_mut().unwrap().remove("_meta");
    call
}

fn text(reply: &Json) -> &str {
    reply["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{reply}"))
}

/// A picture of one colour, as a `data:` URL.
fn url_of(width: u32, height: u32) -> String {
    let image = Image::from_pixels(RgbImage::from_pixel(width, height, Rgb([9, 99, 199])), Frame::ROOT);
    format!("data:image/png;base64,{}", STANDARD.encode(image.encoded()))
}

/// The images in the contents of a reply.
fn images(reply: &Json) -> Vec<Image> {
    let contents = reply["result"]["content"].as_array().unwrap_or_else(|| panic!("{reply}"));
    let shown = contents.iter().filter(|content| content["type"] == "image");
    let decode = |content: &Json| {
        let kind = content["mimeType"].as_str().unwrap();
        let bytes = STANDARD.decode(content["data"].as_str().unwrap()).unwrap();
        let start: &[u8] = if kind == "image/png" { b"\x89PNG" } else { b"\xff\xd8\xff" };
        assert!(bytes.starts_with(start), "it is no {kind}");
        assert!(bytes.len() <= 1 << 20, "{} bytes", bytes.len());
        Image::decode(bytes, &ImageLimits::default()).unwrap()
    };
    shown.map(decode).collect()
}

/// A tool that waits for ever, and tells when it begins and when it is stopped.
fn endless() -> (Arc<dyn Tool>, mpsc::UnboundedReceiver<()>, mpsc::UnboundedReceiver<()>) {
    let (begins, began) = mpsc::unbounded_channel();
    let (stops, stopped) = mpsc::unbounded_channel();
    let waits = tool(spec("wait", signature(&["image: Image"], "Number", None)), move |_, _| {
        let guard = OnDrop(stops.clone());
        begins.send(()).unwrap();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    (waits, began, stopped)
}

struct OnDrop(mpsc::UnboundedSender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

async fn soon(receiver: &mut mpsc::UnboundedReceiver<()>) {
    tokio::time::timeout(LATE, receiver.recv()).await.expect("it does not happen").unwrap();
}

#[tokio::test]
async fn all_tools_are_listed_with_what_they_take() {
    let mut measure =
        spec("measure", signature(&["what: Text", "image: Image", "at?: Region|Line"], "Number", Some("at")));
    measure.signature.args[0].choices = vec!["width".to_owned(), "height".to_owned()];
    measure.signature.args[0].doc = "what to measure".to_owned();
    measure.limitations = "it is a fake".to_owned();
    let own = tool(measure, |_, _| async { Ok(Value::Number(1.0)) });
    let taken = quick("ask_image", &["image: Image"], "Number", |_| Ok(Value::Number(1.0)));
    let mut client = Client::with_tools([own, taken]).await;
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await;
    let listed = reply["result"]["tools"].as_array().unwrap();
    let names: Vec<&Json> = listed.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names[..2], ["ask_image", "measure"]);
    assert_eq!(names.iter().filter(|name| **name == "ask_image").count(), 1, "{names:?}");
    let ask = &listed[0]["inputSchema"];
    assert_eq!(ask["required"], json!(["images", "question"]));
    assert_eq!(ask["properties"]["mode"]["enum"], json!(["controller", "decision-maker", "auto"]));
    assert!(ask["properties"]["images"]["items"]["description"].as_str().unwrap().contains("the path of a file"));
    let (about, input) = (listed[1]["description"].as_str().unwrap(), &listed[1]["inputSchema"]);
    assert_eq!(about, "Fakes measure. Use for: tests. Limits: it is a fake. Returns Number.");
    assert_eq!((&input["type"], &input["additionalProperties"]), (&json!("object"), &json!(false)));
    assert_eq!(input["required"], json!(["what", "image"]));
    let what = json!({ "type": "string", "description": "what to measure", "enum": ["width", "height"] });
    assert_eq!(input["properties"]["what"], what);
    let image = input["properties"]["image"]["description"].as_str().unwrap();
    assert!(image.starts_with("Image: the path of a file"), "{image}");
    let forms = input["properties"]["at"]["anyOf"].as_array().unwrap();
    // A region or a line, or a list of either, over which the tool is mapped.
    let kinds: Vec<&Json> = forms.iter().map(|form| &form["type"]).collect();
    assert_eq!(kinds, ["object", "object", "array"]);
    assert_eq!(forms[0]["required"], json!(["box"]));
    assert_eq!(listed[1]["annotations"]["readOnlyHint"], true);
}

#[tokio::test]
async fn arguments_are_the_values_that_a_tool_takes() {
    let (seen, mut got) = mpsc::unbounded_channel();
    let arguments = [
        "image: Image",
        "region?: Region",
        "lines?: List<Line>",
        "mask?: Mask",
        "map?: Map",
        "points?: Points",
        "labels?: Labels",
        "table?: Table",
        "vector?: Vector",
        "any?: List<Any>",
        "json?: Json",
        "number?: Number",
        "flag?: Bool",
        "texts?: List<Text>",
    ];
    let tell = quick("tell", &arguments, "Number", move |args| {
        seen.send(args).unwrap();
        Ok(Value::Number(1.0))
    });
    let mut client = Client::with_tools([tell]).await;
    let corners = json!([[0, 0], [10, 0], [10, 5], [0, 5]]);
    let written = json!({
        "image": data_url(),
        "region": { "box": [1, 2, 3, 4], "label": "dog" },
        "lines": [{ "text": "EXIT", "polygon": corners }],
        "mask": { "box": [0, 0, 8, 6], "mask": data_url() },
        "map": { "width": 2, "height": 1, "box": [0, 0, 8, 6], "data": [0.5, 1.0] },
        "points": [{ "label": "nose", "score": 0.5, "x": 1, "y": 2 }],
        "labels": [{ "label": "cat", "score": 0.5 }],
        "table": { "rows": [["a", "b"]] },
        "vector": [1, 2],
        "any": ["a", 1],
        "json": { "a": [1] },
        "number": 2,
        "flag": true,
        "texts": ["a"],
    });
    let reply = client.call("tell", &written).await;
    // Progress comes first.
    assert_eq!(reply["method"], "notifications/progress", "{reply}");
    let args = got.recv().await.unwrap();
    let value = |name: &str| args.get(name).unwrap_or_else(|| panic!("no `{name}`")).clone();
    assert_eq!(args.image("image").unwrap().width(), 8);
    let dog = Region { label: "dog".to_owned(), score: 1.0, bounds: [1.0, 2.0, 3.0, 4.0] };
    assert_eq!(value("region"), Value::Region(dog));
    assert!(
        matches!(value("lines"), Value::List(lines) if matches!(&lines[..], [Value::Line(line)] if line.text == "EXIT"))
    );
    assert!(matches!(value("mask"), Value::Mask(Mask { pixels, .. }) if pixels.height() == 6));
    assert!(matches!(value("map"), Value::Map(Grid { width: 2, .. })));
    assert!(matches!(value("points"), Value::Points(points) if points[0].label == "nose"));
    assert!(matches!(value("labels"), Value::Labels(labels) if labels[0].label == "cat"));
    assert!(matches!(value("table"), Value::Table(table) if table.rows[0][1] == "b"));
    assert_eq!(value("vector"), Value::Vector(vec![1.0, 2.0]));
    assert_eq!(value("any"), Value::List(vec![Value::Text("a".to_owned()), Value::Number(1.0)]));
    assert_eq!(value("json"), Value::Json(json!({ "a": [1] })));
    assert_eq!((value("number"), value("flag")), (Value::Number(2.0), Value::Bool(true)));
    assert_eq!(value("texts"), Value::List(vec![Value::Text("a".to_owned())]));
}

#[tokio::test]
async fn defaults_are_set_and_null_is_not_given() {
    let mut margin = arg("margin?: Number");
    margin.default = Some(json!(0.5));
    let args = vec![arg("a: Number"), margin, arg("c?: Text")];
    let all = Signature { args, ..signature(&[], "Json", None) };
    let tell = tool(spec("tell", all), |_, args| async move { Ok(Value::Json(args.to_json())) });
    let mut client = Client::with_tools([tell]).await;
    let reply = client.ask(&quiet(1, "tell", &json!({ "a": 1, "margin": null, "c": null }))).await;
    assert_eq!(reply["result"]["structuredContent"], json!({ "result": { "a": 1, "margin": 0.5 } }), "{reply}");
}

#[tokio::test]
async fn results_are_structured_and_images_are_shown() {
    let crop = quick("halve", &["image: Image"], "List<Image>", |args| {
        let image = args.image("image")?;
        let half = image::imageops::crop_imm(image.pixels(), 0, 0, image.width() / 2, image.height()).to_image();
        Ok(Value::List(vec![Value::Image(Image::from_pixels(half, Frame::ROOT)); 9]))
    });
    let count = quick("count", &["image: Image"], "Number", |_| Ok(Value::Number(3.0)));
    let mut client = Client::with_tools([crop, count]).await;
    let reply = client.ask(&quiet(1, "count", &json!({ "image": data_url() }))).await;
    assert_eq!(reply["result"]["structuredContent"], json!({ "result": 3 }), "{reply}");
    assert_eq!((text(&reply), &reply["result"]["isError"]), ("3", &json!(false)));
    let reply = client.ask(&quiet(2, "halve", &json!({ "image": data_url() }))).await;
    let shown = images(&reply);
    assert_eq!(shown.len(), 8);
    assert_eq!((shown[0].width(), shown[0].height()), (4, 6));
    assert_eq!(shown[0].pixels().get_pixel(0, 0), &Rgb([200, 10, 10]));
    assert!(reply.to_string().contains("Of 9 images the first 8 are shown."), "{reply}");
    assert!(reply["result"]["structuredContent"]["result"][8]["blob"].as_str().unwrap().starts_with("sha256:"));
    // A large one is made smaller.
    let reply = client.ask(&quiet(3, "halve", &json!({ "image": url_of(4000, 500) }))).await;
    assert_eq!((images(&reply)[0].width(), images(&reply)[0].height()), (1536, 384));
    assert!(reply.to_string().contains("Image 1 is shown at 1536x384; it has 2000x500 pixels."), "{reply}");
}

#[tokio::test]
async fn long_texts_are_cut_off_and_stand_in_the_structured_content() {
    let long = quick("long", &[], "Text", |_| Ok(Value::Text("ä".repeat(100_000))));
    let mut client = Client::with_tools([long]).await;
    let reply = client.ask(&quiet(1, "long", &json!({}))).await;
    assert!(text(&reply).len() < 70_000 && text(&reply).ends_with("(cut off; the structured content has all of it)"));
    assert_eq!(reply["result"]["structuredContent"]["result"].as_str().unwrap().len(), 200_000);
}

#[tokio::test]
async fn a_question_is_answered_with_its_evidence() {
    let mut client = Client::start(Script::new(dogs()), tools(), config()).await;
    let asked = json!({ "images": [data_url()], "question": "How many dogs are there?", "annotate": true });
    client.send(&call(7, "ask_image", &asked)).await;
    let mut told = Vec::new();
    let reply = loop {
        let message = client.next().await;
        if message["method"] != "notifications/progress" {
            break message;
        }
        told.push(message["params"].clone());
    };
    let said: Vec<&str> = told.iter().map(|told| told["message"].as_str().unwrap()).collect();
    assert_eq!(said[..2], ["planned 2 steps", "step dogs: detect_objects began"]);
    assert!(said[4].starts_with("step n: count ended after"), "{said:?}");
    assert!(told.iter().all(|told| told["progressToken"] == "call 7"));
    let counts: Vec<f64> = told.iter().map(|told| told["progress"].as_f64().unwrap()).collect();
    assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
    assert_eq!((&reply["id"], text(&reply)), (&json!(7), "There are 2 dogs."));
    let report = &reply["result"]["structuredContent"];
    assert_eq!((&report["status"], &report["claims"][0]["steps"]), (&json!("answered"), &json!(["n"])));
    assert_eq!((images(&reply)[0].width(), images(&reply)[0].height()), (8, 6));
    assert_ne!(images(&reply)[0].pixels(), picture().pixels(), "nothing is drawn into it");
}

#[tokio::test]
async fn a_question_goes_on_from_earlier_ones() {
    let [plan, answer] = dogs();
    let chat = Script::new([alone("How many dogs are there?"), plan, answer]);
    let mut client = Client::start(chat.clone(), tools(), config()).await;
    let listed = client.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await;
    let earlier = &listed["result"]["tools"][0]["inputSchema"]["properties"]["earlier"];
    assert_eq!((&earlier["type"], &earlier["items"]["type"]), (&json!("array"), &json!("string")), "{listed}");
    let asked = json!({ "images": [data_url()], "question": "And dogs?", "earlier": ["How many cats are there?"] });
    client.send(&call(2, "ask_image", &asked)).await;
    let told = client.next().await;
    assert_eq!(told["params"]["message"], "understood the question as: How many dogs are there?", "{told}");
    let reply = loop {
        let message = client.next().await;
        if message["method"] != "notifications/progress" {
            break message;
        }
    };
    assert_eq!(text(&reply), "There are 2 dogs.");
    assert_eq!(reply["result"]["structuredContent"]["standalone"], "How many dogs are there?");
    for (earlier, said) in [(json!("x"), "argument `earlier`"), (json!([" "]), "earlier question 1 is empty")] {
        let asked = json!({ "images": [data_url()], "question": "And dogs?", "earlier": earlier });
        let reply = client.ask(&quiet(3, "ask_image", &asked)).await;
        assert!(reply.to_string().contains(said), "{reply}");
    }
}

#[tokio::test]
async fn settings_go_with_a_question_and_pictures_only_on_demand() {
    let plan = dogs_plan();
    let chat = Script::new([plan.clone(), plan.clone(), plan, says(&["There are 2 dogs."])]);
    let mut client = Client::start(chat, tools(), config()).await;
    let asked =
        json!({ "images": [data_url()], "question": "How many dogs are there?", "chain": "votes=3", "style": null });
    let reply = client.ask(&quiet(1, "ask_image", &asked)).await;
    assert_eq!(reply["result"]["structuredContent"]["votes"][0]["plans"], 3, "{reply}");
    assert_eq!(reply["result"]["content"].as_array().unwrap().len(), 1, "{reply}");
}

#[tokio::test]
async fn what_cannot_be_answered_is_no_error_and_what_fails_is_one() {
    let unsure = json!({ "answerable": false, "missing": "a cat" });
    let mut client = Client::start(Script::new([dogs_plan(), unsure]), tools(), config()).await;
    let asked = json!({ "images": [data_url()], "question": "How many cats are there?" });
    let reply = client.ask(&quiet(1, "ask_image", &asked)).await;
    let status = &reply["result"]["structuredContent"]["status"];
    assert_eq!((status, &reply["result"]["isError"]), (&json!("unanswerable"), &json!(false)), "{reply}");
    let broken = Error::new(ErrorKind::Network, "http://10.0.0.5 is gone");
    let mut client = Client::start(Script::failing(broken), tools(), config()).await;
    let reply = client.ask(&quiet(1, "ask_image", &asked)).await;
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    // Whoever started the program may read all of it.
    assert!(text(&reply).contains("http://10.0.0.5 is gone"), "{reply}");
    let reply = client.ask(&quiet(2, "fail", &json!({ "image": data_url() }))).await;
    assert_eq!((text(&reply), &reply["result"]["isError"]), ("it went wrong", &json!(true)));
}

#[tokio::test]
async fn faulty_arguments_are_named() {
    let (url, huge) = (data_url(), format!("data:image/png;base64,{}", "A".repeat(400_000)));
    let mut small = config();
    small.service.max_images = 2;
    small.service.images.max_bytes = 200_000;
    small.service.max_total_pixels = 100_000;
    let mut client = Client::start(Script::new(Vec::<String>::new()), tools(), small).await;
    let ask = |more: Json| {
        let mut asked = json!({ "images": [url], "question": "What is it?" });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("ask_image", asked)
    };
    let detect = |image: Json| ("detect_objects", json!({ "image": image }));
    for ((name, arguments), said) in [
        (("detect_object", json!({})), "did you mean `detect_objects`?"),
        (("recall", json!({})), "there is no tool `recall`"),
        (("detect_objects", json!({})), "argument `image` is missing; it takes Image"),
        (detect(json!(7)), "argument `image` should be Image, got Number"),
        (detect(json!([url])), "argument `image` should be Image"),
        (
            ("detect_objects", json!({ "image": url, "labels": "dog" })),
            "argument `labels` should be List<Text>, got Text",
        ),
        (
            ("detect_objects", json!({ "image": url, "label": ["dog"] })),
            "there is no argument `label`, only image, labels",
        ),
        (detect(json!("no/such/file.png")), "image 1: image `no/such/file.png`: there is no such file"),
        (detect(json!(env!("CARGO_MANIFEST_DIR"))), "this is a folder"),
        (detect(json!("/dev/zero")), "not a regular file"),
        (detect(json!("https://example.com/a.png")), "image 1: no address is fetched"),
        (detect(json!("data:image/png;base64,%%%")), "is no Base64"),
        (detect(json!("data:image/png,abc")), "is not in Base64"),
        (detect(json!(huge)), "more than the limit of 200000"),
        (detect(json!(url_of(400, 400))), "more than the limit of 100000"),
        (ask(json!({ "images": [] })), "argument `images` is missing"),
        (ask(json!({ "images": url })), "argument `images`: invalid type: string"),
        (ask(json!({ "images": [url, url, url] })), "3 images, and 2 is the most"),
        (ask(json!({ "images": [url_of(300, 300), url_of(300, 300)] })), "image 2: the image has 300x300"),
        (ask(json!({ "question": " " })), "the question is empty"),
        (ask(json!({ "question": "x".repeat(5_000) })), "more than 4000"),
        (ask(json!({ "question": 1 })), "argument `question`: invalid type"),
        (ask(json!({ "mode": "manual" })), "unknown variant `manual`"),
        (ask(json!({ "modes": "auto" })), "unknown field `modes`"),
        (ask(json!({ "chain": "vote=3" })), "chain: `vote` is no setting"),
        (ask(json!({ "style": "tone=loud" })), "style"),
        (ask(json!({ "box": [5, 5, 1, 1] })), "box"),
    ] {
        let reply = client.ask(&quiet(1, name, &arguments)).await;
        assert_eq!(reply["error"]["code"], -32602, "{reply}");
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(message.contains(said) && message.chars().count() < 500, "{message} / {said}");
    }
    // It answers on.
    let reply = client.ask(&quiet(2, "detect_objects", &detect(json!(url)).1)).await;
    assert_eq!(reply["result"]["structuredContent"]["result"][1]["label"], "dog", "{reply}");
}

#[tokio::test]
async fn files_are_opened_for_whoever_started_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a picture.png");
    std::fs::write(&file, picture().encoded()).unwrap();
    let mut client = Client::start(Script::new(Vec::<String>::new()), tools(), config()).await;
    let reply = client.ask(&quiet(1, "crop", &json!({ "image": file }))).await;
    assert_eq!(images(&reply)[0].width(), 8);
}

#[tokio::test]
async fn messages_that_are_none_do_not_end_the_service() {
    let mut client = Client::start(Script::new(Vec::<String>::new()), tools(), config()).await;
    client.say("{").await;
    client.say("").await;
    let reply = client.ask(&json!([])).await;
    assert_eq!((&reply["error"]["code"], &reply["id"]), (&json!(-32600), &Json::Null), "{reply}");
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/destroy" })).await;
    assert_eq!(reply["error"]["code"], -32601, "{reply}");
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": 5 })).await;
    assert!(reply["error"]["code"].is_number(), "{reply}");
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 5, "method": "ping" })).await;
    assert_eq!((&reply["id"], &reply["result"]), (&json!(5), &json!({})), "{reply}");
}

#[tokio::test]
async fn a_message_that_is_too_long_is_dropped() {
    let mut small = config();
    small.service.max_body_bytes = 10_000;
    let mut client = Client::start(Script::new(Vec::<String>::new()), tools(), small).await;
    client.send(&quiet(1, "crop", &json!({ "image": "x".repeat(20_000) }))).await;
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" })).await;
    assert_eq!(reply["id"], 2, "{reply}");
}

#[tokio::test]
async fn a_call_that_is_cancelled_is_stopped() {
    let plan = json!({ "steps": [{ "id": "a", "tool": "wait", "args": { "image": "$image" } }], "result": "$a" });
    let (waits, mut began, mut stopped) = endless();
    let mut client = Client::start(Script::new([plan]), catalog([waits]), config()).await;
    let question = json!({ "images": [data_url()], "question": "What is it?" });
    for (id, name, arguments) in [(1, "wait", json!({ "image": data_url() })), (2, "ask_image", question)] {
        client.send(&quiet(id, name, &arguments)).await;
        soon(&mut began).await;
        let params = json!({ "requestId": id, "reason": "no more interest" });
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
        soon(&mut stopped).await;
    }
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" })).await;
    assert_eq!(reply["id"], 3, "a cancelled call is answered: {reply}");
}

#[tokio::test]
async fn a_client_that_goes_away_stops_its_calls() {
    let (waits, mut began, mut stopped) = endless();
    let mut client = Client::with_tools([waits]).await;
    client.send(&quiet(1, "wait", &json!({ "image": data_url() }))).await;
    soon(&mut began).await;
    let Client { lines, output, served } = client;
    drop((lines, output));
    soon(&mut stopped).await;
    tokio::time::timeout(LATE, served).await.expect("it goes on").unwrap().unwrap();
}

#[tokio::test]
async fn calls_are_bounded() {
    let (waits, mut began, mut stopped) = endless();
    let mut one = config();
    one.service.max_runs = 1;
    one.service.max_queue = 1;
    let mut client = Client::start(Script::new(Vec::<String>::new()), catalog([waits]), one).await;
    let image = json!({ "image": data_url() });
    client.send(&quiet(1, "wait", &image)).await;
    soon(&mut began).await;
    // Two more: one waits for its turn, and one finds no room.
    client.send(&quiet(2, "wait", &image)).await;
    client.send(&quiet(3, "wait", &image)).await;
    let reply = client.next().await;
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    assert!(text(&reply).contains("no room for more; try again later"), "{reply}");
    let params = json!({ "requestId": 1 });
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    soon(&mut stopped).await;
    soon(&mut began).await;
}

#[tokio::test]
async fn a_tool_that_panics_harms_no_other() {
    let panics = quick("panics", &[], "Number", |_| panic!("a defect of the tool"));
    let fine = quick("fine", &[], "Number", |_| Ok(Value::Number(1.0)));
    let mut client = Client::with_tools([panics, fine]).await;
    let reply = client.ask(&quiet(1, "panics", &json!({}))).await;
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    assert!(text(&reply).contains("`panics` panicked"), "{reply}");
    let reply = client.ask(&quiet(2, "fine", &json!({}))).await;
    assert_eq!(text(&reply), "1");
}

/// Some clients refuse a tool, or all of them, for an array that says nothing of its items.
fn arrays_without_items(schema: &Json, found: &mut Vec<String>) {
    match schema {
        Json::Object(object) => {
            if object.get("type") == Some(&json!("array")) && !object.contains_key("items") {
                found.push(schema.to_string());
            }
            object.values().for_each(|part| arrays_without_items(part, found));
        }
        Json::Array(parts) => parts.iter().for_each(|part| arrays_without_items(part, found)),
        _ => {}
    }
}

#[tokio::test]
async fn all_arrays_in_schemas_say_what_they_hold() {
    let progress: Arc<dyn lavr::store::Progress> = Arc::new(lavr::store::Silent);
    let real = Config::default().catalog(&progress).unwrap();
    let mut client = Client::start(Script::new(Vec::<String>::new()), real, config()).await;
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await;
    let listed = reply["result"]["tools"].as_array().unwrap();
    assert!(listed.len() > 10, "{reply}");
    let mut found = Vec::new();
    listed.iter().for_each(|tool| arrays_without_items(&tool["inputSchema"], &mut found));
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn a_thing_keeps_its_outline_or_is_refused() {
    let fills = quick("fill", &["of: Region"], "Number", |args| match args.get("of") {
        Some(Value::Mask(mask)) => Ok(Value::Number(mask.fill())),
        other => Ok(Value::Text(format!("{other:?}"))),
    });
    let mut client = Client::with_tools([fills]).await;
    let thing = |mask: Json| json!({ "of": { "box": [0, 0, 10, 10], "label": "dog", "score": 1, "mask": mask } });
    let black = Image::from_pixels(RgbImage::new(4, 4), Frame::ROOT);
    let black = format!("data:image/png;base64,{}", STANDARD.encode(black.encoded()));
    let reply = client.ask(&quiet(1, "fill", &thing(json!(black)))).await;
    assert_eq!(reply["result"]["structuredContent"]["result"], 0, "{reply}");
    // As results name it: there is nothing behind the name here.
    let reply = client.ask(&quiet(2, "fill", &thing(json!({ "blob": "sha256:00" })))).await;
    assert_eq!(reply["error"]["code"], -32602, "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("whose `mask` is not here"), "{reply}");
}

#[tokio::test]
async fn the_folder_of_runs_is_left_to_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let used = lavr::run_store::FolderRuns::open(folder.path()).unwrap();
    let mut shared = config();
    shared.service.runs.folder = Some(folder.path().to_owned());
    let mut client = Client::start(Script::new(Vec::<String>::new()), tools(), shared).await;
    let reply = client.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    assert_eq!(reply["result"], json!({}), "{reply}");
    drop(used);
}
