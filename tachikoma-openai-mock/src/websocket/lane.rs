//! The lanes of a connection: each has one response at a time, requests that wait, and its newest response in memory.

use std::collections::{HashMap, VecDeque};

use super::message::CreateEvent;
use crate::errors::ApiError;
use crate::store::Chain;

/// How many lanes of a connection may have a response at the same time.
const MOST_ACTIVE: usize = 16;

/// How many lanes with a name a connection may have.
const MOST_NAMED: usize = 32;

/// What a lane is called; the default lane has no name.
pub(super) type LaneName = Option<String>;

#[derive(Debug, Default)]
struct Lane {
    is_active: bool,
    waiting: VecDeque<CreateEvent>,
    /// The newest response and the turns up to it, stored or not.
    memory: Option<(String, Chain)>,
}

/// All lanes of a connection.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<LaneName, Lane>);

impl Lanes {
    /// The request, if it can begin now. One of a named lane may have to wait.
    ///
    /// # Errors
    /// The default lane is busy, or a limit of the connection is reached.
    pub(super) fn admit(&mut self, event: CreateEvent) -> Result<Option<CreateEvent>, ApiError> {
        let named = self.0.keys().filter(|name| name.is_some()).count();
        if event.stream_id.is_some() && !self.0.contains_key(&event.stream_id) && named >= MOST_NAMED {
            return Err(ApiError::invalid(format!(
                "This WebSocket connection has {MOST_NAMED} lanes, which is the limit. Use one of their stream_ids, or \
                 open another connection."
            ))
            .param("stream_id")
            .code("websocket_stream_limit_reached"));
        }
        let active = self.0.values().filter(|lane| lane.is_active).count();
        let lane = self.0.entry(event.stream_id.clone()).or_default();
        if lane.is_active {
            if event.stream_id.is_none() {
                return Err(busy());
            }
            lane.waiting.push_back(event);
            return Ok(None);
        }
        if active >= MOST_ACTIVE {
            return Err(ApiError::invalid(format!(
                "This WebSocket connection has {MOST_ACTIVE} active responses, which is the limit. Wait for one to \
                 end, or open another connection."
            ))
            .code("websocket_response_limit_reached"));
        }
        lane.is_active = true;
        Ok(Some(event))
    }

    /// The turns up to a response that some lane has in memory.
    pub(super) fn memory(&self, id: &str) -> Option<Chain> {
        let memories = self.0.values().filter_map(|lane| lane.memory.as_ref());
        memories.into_iter().find(|(own, _)| own == id).map(|(_, chain)| chain.clone())
    }

    /// Remembers a response of a lane, in place of the one before.
    pub(super) fn remember(&mut self, name: &LaneName, id: String, chain: Chain) {
        if let Some(lane) = self.0.get_mut(name) {
            lane.memory = Some((id, chain));
        }
    }

    /// A turn of the lane has failed: its memory is lost.
    pub(super) fn forget(&mut self, name: &LaneName) {
        if let Some(lane) = self.0.get_mut(name) {
            lane.memory = None;
        }
    }

    /// The lane is free: the request that has waited longest for it, if there is one.
    pub(super) fn next(&mut self, name: &LaneName) -> Option<CreateEvent> {
        let lane = self.0.get_mut(name)?;
        let next = lane.waiting.pop_front();
        lane.is_active = next.is_some();
        next
    }
}

/// The error of a lane that has a response already.
pub(super) fn busy() -> ApiError {
    ApiError::invalid(
        "This lane has a response in progress. Wait for its end, or send a stream_id to use another lane.",
    )
    .code("response_already_in_progress")
}
