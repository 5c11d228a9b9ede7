//! What the server keeps: responses with the turns that led to them, and conversations.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::errors::ApiError;
use crate::responses::Exchange;
use crate::server::lock;

/// How many responses are kept, so that a server which runs for long does not fill the memory.
const MOST_RESPONSES: usize = 10_000;

/// The items of turns that follow each other. Turns are shared between the chains that they are part of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain(Vec<Arc<Vec<Value>>>);

impl Chain {
    /// All items, the oldest first.
    pub(crate) fn items(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.0.iter().flat_map(|turn| turn.iter())
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|turn| turn.len()).sum()
    }

    /// The item with this id.
    pub(crate) fn item(&self, id: &str) -> Option<&Value> {
        self.items().rev().find(|item| item.get("id").is_some_and(|own| own == id))
    }

    /// The chain with one turn more.
    pub(crate) fn and(mut self, turn: Vec<Value>) -> Self {
        self.0.push(Arc::new(turn));
        self
    }

    /// The newest turn.
    pub(crate) fn last(&self) -> Option<&Arc<Vec<Value>>> {
        self.0.last()
    }
}

/// A response, and the turns up to it.
#[derive(Debug)]
pub(crate) struct StoredResponse {
    pub(crate) exchange: Exchange,
    /// The items of its own request.
    pub(crate) input: Vec<Value>,
    /// The turns up to this one.
    pub(crate) chain: Chain,
    /// Whether its request asked for a stream.
    pub(crate) is_streamed: bool,
    progress: Mutex<Progress>,
}

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Progress {
    /// Not retrieved yet. This many requests for it are left until it is complete.
    Queued(usize),
    Running(usize),
    Complete,
    Cancelled,
}

impl StoredResponse {
    /// A response that is complete, unless it runs in the background: then after this many polls.
    pub(crate) fn new(exchange: Exchange, input: Vec<Value>, chain: Chain, polls: usize) -> Self {
        let is_streamed = exchange.is_streamed();
        let progress = if exchange.is_background() { Progress::Queued(polls) } else { Progress::Complete };
        Self { exchange, input, chain, is_streamed, progress: Mutex::new(progress) }
    }

    /// The response object at this moment, as JSON.
    pub(crate) fn object(&self) -> String {
        match *lock(&self.progress) {
            Progress::Queued(_) => self.exchange.unfinished("queued"),
            Progress::Running(_) => self.exchange.unfinished("in_progress"),
            Progress::Cancelled => self.exchange.unfinished("cancelled"),
            Progress::Complete => self.exchange.finished(),
        }
    }

    /// Goes on by one step and returns the response object, as JSON.
    pub(crate) fn poll(&self) -> String {
        let mut progress = lock(&self.progress);
        *progress = match *progress {
            Progress::Queued(0 | 1) | Progress::Running(0 | 1) => Progress::Complete,
            Progress::Queued(left) | Progress::Running(left) => Progress::Running(left - 1),
            end => end,
        };
        drop(progress);
        self.object()
    }

    /// Cancels the response if it is not complete. False if there was nothing to cancel.
    pub(crate) fn cancel(&self) -> bool {
        let mut progress = lock(&self.progress);
        let is_running = !matches!(*progress, Progress::Complete | Progress::Cancelled);
        if is_running {
            *progress = Progress::Cancelled;
        }
        is_running
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *lock(&self.progress) == Progress::Cancelled
    }

    /// All its events have been sent.
    pub(crate) fn complete(&self) {
        let mut progress = lock(&self.progress);
        if *progress != Progress::Cancelled {
            *progress = Progress::Complete;
        }
    }
}

/// A conversation: its items, and the fields that a client has set.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) chain: Chain,
    pub(crate) metadata: Map<String, Value>,
}

/// Everything that is stored.
#[derive(Debug, Default)]
pub(crate) struct Store {
    responses: HashMap<String, Arc<StoredResponse>>,
    /// The ids of the responses, the oldest first.
    order: VecDeque<String>,
    conversations: HashMap<String, Conversation>,
    /// The number of conversations so far, which their ids follow from.
    conversations_created: usize,
}

impl Store {
    pub(crate) fn response(&self, id: &str) -> Option<Arc<StoredResponse>> {
        self.responses.get(id).cloned()
    }

    pub(crate) fn insert(&mut self, response: Arc<StoredResponse>) {
        let id = response.exchange.id.clone();
        if self.responses.insert(id.clone(), response).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > MOST_RESPONSES {
            if let Some(oldest) = self.order.pop_front() {
                self.responses.remove(&oldest);
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<StoredResponse>> {
        self.order.retain(|other| other != id);
        self.responses.remove(id)
    }

    /// An item of any stored turn.
    pub(crate) fn item(&self, id: &str) -> Option<Value> {
        let turns = self.responses.values().filter_map(|response| response.chain.last());
        let items = turns.flat_map(|turn| turn.iter());
        items.into_iter().find(|item| item.get("id").is_some_and(|own| own == id)).cloned()
    }

    /// Adds a conversation and returns its number, from 0.
    pub(crate) fn conversations_created(&mut self) -> usize {
        self.conversations_created += 1;
        self.conversations_created - 1
    }

    pub(crate) fn insert_conversation(&mut self, id: String, conversation: Conversation) {
        self.conversations.insert(id, conversation);
    }

    /// # Errors
    /// The conversation does not exist.
    pub(crate) fn conversation(&mut self, id: &str) -> Result<&mut Conversation, ApiError> {
        self.conversations.get_mut(id).ok_or_else(|| no_conversation(id))
    }

    /// # Errors
    /// The conversation does not exist.
    pub(crate) fn remove_conversation(&mut self, id: &str) -> Result<Conversation, ApiError> {
        self.conversations.remove(id).ok_or_else(|| no_conversation(id))
    }

    /// Adds a turn to a conversation that may have been deleted since.
    pub(crate) fn extend_conversation(&mut self, id: &str, turn: Option<&Arc<Vec<Value>>>) {
        if let (Some(conversation), Some(turn)) = (self.conversations.get_mut(id), turn) {
            conversation.chain.0.push(Arc::clone(turn));
        }
    }
}

fn no_conversation(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("Conversation with id '{id}' not found."))
}
