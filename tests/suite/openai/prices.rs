//! What calls cost.

use lavr::chat::ChatModel;
use lavr::chat::layers;
use lavr::chat::openai::{OpenAiModel, OpenAiOptions, Prices, Tokens};
use lavr::error::ErrorKind;

use super::server::{Answer, Server};
use super::{cx, options, request};

const OPENAI: &str = "api.openai.com";

fn own(text: &str) -> lavr::error::Result<Prices> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.toml");
    std::fs::write(&file, text).unwrap();
    Prices::with_file(&file)
}

#[test]
fn the_compiled_in_prices_count_for_openai_alone() {
    let prices = Prices::builtin().unwrap();
    let price = prices.find(OPENAI, "gpt-4.1-mini").unwrap();
    let usd = price.of(Tokens { prompt: 1_500_000, cached: 500_000, completion: 100_000 });
    assert!((usd - (0.40 + 0.05 + 0.16)).abs() < 1e-9, "{usd}");
    assert_eq!(prices.find(OPENAI, "gpt-4.1-mini-2025-04-14"), Some(price));
    assert_eq!(prices.find(OPENAI, "gpt-4.1-mini-latest"), None);
    assert_eq!(prices.find(OPENAI, "né-2025-04-14é"), None);
    assert_eq!(prices.find("127.0.0.1", "gpt-4.1-mini"), None);
}

#[test]
fn a_users_table_is_laid_over_them_and_counts_everywhere() {
    let prices =
        own("[models.\"gpt-4.1-mini\"]\ninput = 1\noutput = 2\n[models.qwen]\ninput = 0\noutput = 0\n").unwrap();
    let price = prices.find(OPENAI, "gpt-4.1-mini").unwrap();
    assert_eq!((price.input, price.cached, price.output), (1.0, None, 2.0));
    assert_eq!(price.of(Tokens { prompt: 1_000_000, cached: 400_000, completion: 0 }), 1.0);
    assert!(prices.find("127.0.0.1", "qwen").is_some());
    assert!(prices.find(OPENAI, "gpt-4o").is_some(), "the rest of the compiled-in table stays");
}

#[test]
fn a_faulty_table_is_refused_by_name() {
    for text in ["models = 3", "[models.m]\ninput = -1\noutput = 2", "[models.m]\ninput = 1\noutptu = 2", "\u{0}"] {
        let error = own(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("prices.toml") && !error.to_string().contains('\n'), "{error}");
    }
    let error = Prices::with_file("no-such-file.toml".as_ref()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no-such-file.toml"), "{error}");
}

#[tokio::test]
async fn the_cost_of_all_calls_stands_in_the_usage() {
    let server = Server::start([Answer::streamed(&["Hi."])]).await;
    let prices = own("[models.m]\ninput = 100\ncached = 10\noutput = 1000\n").unwrap();
    let llm = OpenAiModel::new(OpenAiOptions { prices, ..options(&server) }).unwrap();
    let cx = cx();
    for _ in 0..2 {
        layers::call(&cx, &llm, "plan", &request()).await.unwrap();
    }
    // Of 30 prompt tokens 20 were cached; 5 were written.
    let each = (10.0 * 100.0 + 20.0 * 10.0 + 5.0 * 1000.0) / 1e6;
    let cost = cx.meter().usage().cost_usd.unwrap();
    assert!((cost - 2.0 * each).abs() < 1e-9, "{cost}");
    let json = serde_json::to_value(cx.meter().usage()).unwrap();
    assert!(json["cost_usd"].is_f64(), "{json}");
}

#[tokio::test]
async fn a_cost_that_is_not_known_is_not_reported() {
    let server = Server::start([Answer::streamed(&["Hi."])]).await;
    let cx = cx();
    let llm = OpenAiModel::new(OpenAiOptions { prices: Prices::builtin().unwrap(), ..options(&server) }).unwrap();
    assert_eq!(llm.complete(&cx, &request()).await.unwrap().usage.cost_usd, None);
    layers::call(&cx, &llm, "plan", &request()).await.unwrap();
    assert!(serde_json::to_value(cx.meter().usage()).unwrap().get("cost_usd").is_none());
}
