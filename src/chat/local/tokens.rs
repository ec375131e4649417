//! The tokens of a model: text to numbers and back.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::quantized::tokenizer::TokenizerFromGguf;
use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use tokenizers::Tokenizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

use super::gguf::Gguf;
use crate::error::{Error, ErrorKind, Result};

/// Kinds of tokens in a GGUF: plain text, and control tokens that a chat template may write.
const NORMAL: i64 = 1;
const CONTROL: i64 = 3;

/// Control tokens that end a reply, beside the one the file names.
const ENDS: [&str; 3] = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>"];

/// Encodes and decodes the tokens of one model.
pub(super) struct Tokens {
    env: TokEnv,
    controls: Vec<(String, u32)>,
    stops: Vec<u32>,
}

impl Tokens {
    /// Reads the vocabulary of a model file.
    pub(super) fn read(file: &Gguf) -> Result<Self> {
        let texts = strings(file, "tokenizer.ggml.tokens")?;
        let kinds = kinds(file, texts.len());
        let controls: Vec<(String, u32)> = (0u32..)
            .zip(texts.iter().zip(&kinds))
            .filter(|(_, (text, kind))| **kind == CONTROL && !text.is_empty())
            .map(|(id, (text, _))| ((*text).to_owned(), id))
            .collect();
        let stops = stops(file, &controls, texts.len())?;
        let decoder = byte_decoder();
        let words: Vec<Vec<u8>> =
            texts.iter().zip(&kinds).map(|(text, kind)| word(text, *kind == NORMAL, &decoder)).collect();
        let count = u32::try_from(words.len()).map_err(|_| unusable("the vocabulary is too large"))?;
        let first = stops.first().copied().unwrap_or_default();
        let trie = TokTrie::from(&TokRxInfo::new(count, first), &words).with_eos_tokens(&stops);
        Ok(Self { env: Arc::new(Env { trie, tokenizer: tokenizer(file)? }), controls, stops })
    }

    /// Encodes text as text: what looks like a control token stays ordinary characters.
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        self.env.tokenize(text)
    }

    /// Encodes text of a template, in which control tokens count.
    pub(super) fn encode_template(&self, mut text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        while let Some((at, name, id)) = self.next_control(text) {
            let (before, rest) = text.split_at(at);
            ids.extend(self.encode(before));
            ids.push(id);
            text = rest.get(name.len()..).unwrap_or_default();
        }
        ids.extend(self.encode(text));
        ids
    }

    /// Whether a control token exists.
    pub(super) fn has_control(&self, name: &str) -> bool {
        self.controls.iter().any(|(n, _)| n == name)
    }

    /// The bytes a token stands for; none for control tokens.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let trie = self.env.tok_trie();
        if trie.is_special_token(id) { &[] } else { trie.token(id) }
    }

    /// Whether a token ends a reply.
    pub(super) fn is_stop(&self, id: u32) -> bool {
        self.stops.contains(&id)
    }

    /// The vocabulary as the grammar library wants it.
    pub(super) fn env(&self) -> &TokEnv {
        &self.env
    }

    fn next_control(&self, text: &str) -> Option<(usize, &str, u32)> {
        self.controls
            .iter()
            .filter_map(|(name, id)| text.find(name.as_str()).map(|at| (at, name.as_str(), *id)))
            .min_by_key(|(at, name, _)| (*at, usize::MAX - name.len()))
    }
}

struct Env {
    trie: TokTrie,
    tokenizer: Tokenizer,
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| match self.tokenizer.encode(text, false) {
            Ok(encoding) => encoding.get_ids().to_vec(),
            Err(_) => self.trie.greedy_tokenize(text.as_bytes()),
        })
    }
}

fn tokenizer(file: &Gguf) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_gguf(file.content())
        .map_err(|e| unusable("the tokenizer cannot be built from the file").with_source(e))?;
    tokenizer.set_encode_special_tokens(true);
    // What candle does not know by name it reads as GPT-2 with a space put before every text,
    // which would change every piece of a prompt.
    let bytes = || PreTokenizerWrapper::from(ByteLevel::new(false, true, true));
    match file.text("tokenizer.ggml.pre") {
        Some("qwen2" | "smaug-bpe" | "lfm2" | "llama3") => {}
        Some("smollm") => {
            let parts = vec![PreTokenizerWrapper::from(Digits::new(true)), bytes()];
            tokenizer.with_pre_tokenizer(Some(Sequence::new(parts)));
        }
        _ => {
            tokenizer.with_pre_tokenizer(Some(bytes()));
        }
    }
    Ok(tokenizer)
}

fn strings<'a>(file: &'a Gguf, key: &str) -> Result<Vec<&'a str>> {
    let list = file.value(key).and_then(|v| v.to_vec().ok()).ok_or_else(|| unusable("it holds no vocabulary"))?;
    list.iter()
        .map(|v| v.to_string().map(String::as_str).map_err(|e| unusable("a token is not text").with_source(e)))
        .collect()
}

fn kinds(file: &Gguf, count: usize) -> Vec<i64> {
    let list = file.value("tokenizer.ggml.token_type").and_then(|v| v.to_vec().ok());
    let mut kinds: Vec<i64> = list
        .into_iter()
        .flatten()
        .map(|v| v.to_i32().map(i64::from).or_else(|_| v.to_i64()).unwrap_or(NORMAL))
        .collect();
    kinds.resize(count, NORMAL);
    kinds
}

fn stops(file: &Gguf, controls: &[(String, u32)], count: usize) -> Result<Vec<u32>> {
    let named = file.number("tokenizer.ggml.eos_token_id").and_then(|id| u32::try_from(id).ok());
    let known = ENDS.iter().filter_map(|end| controls.iter().find(|(name, _)| name == end).map(|(_, id)| *id));
    let mut stops: Vec<u32> = Vec::new();
    for id in named.into_iter().chain(known) {
        if (id as usize) < count && !stops.contains(&id) {
            stops.push(id);
        }
    }
    if stops.is_empty() { Err(unusable("no token ends a reply")) } else { Ok(stops) }
}

/// The bytes of a token; those of control tokens begin with a marker.
fn word(text: &str, normal: bool, decoder: &HashMap<char, u8>) -> Vec<u8> {
    if !normal {
        return std::iter::once(TokTrie::SPECIAL_TOKEN_MARKER).chain(text.bytes()).collect();
    }
    text.chars().map(|c| decoder.get(&c).copied()).collect::<Option<_>>().unwrap_or_else(|| text.as_bytes().to_vec())
}

/// GPT-2 writes each byte as a printable character; this is the way back.
fn byte_decoder() -> HashMap<char, u8> {
    let printable = |b: u8| matches!(b, 33..=126 | 161..=172 | 174..=255);
    let mut shifted = (256u32..).filter_map(char::from_u32);
    (0..=255u8)
        .filter_map(|b| {
            let c = if printable(b) { Some(char::from(b)) } else { shifted.next() };
            c.map(|c| (c, b))
        })
        .collect()
}

fn unusable(why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the model file is not usable: {why}"))
}
