//! What one request over a WebSocket gets: the events of a response, with a fault where there is one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use super::lane::LaneName;
use crate::errors::{ApiError, to_message};
use crate::fault::inject::in_the_middle;
use crate::fault::{Kind, SharedField, duplicate};
use crate::responses::EventText;
use crate::server::Shared;
use crate::store::StoredResponse;
use crate::stream::EventStream;

/// How often a stalled response sends a ping.
const PING_INTERVAL: Duration = Duration::from_millis(20);

/// What the connection has to do next.
pub(super) enum Step {
    /// Send a text message.
    Send(String),
    /// Send a text message in frames of this many bytes.
    SendInFrames(String, usize),
    Ping,
    /// End the connection, with `reset` without a closing handshake.
    Close {
        reset: bool,
    },
    /// The response has ended: this one, if it was complete.
    End(Option<Arc<StoredResponse>>),
}

/// The response to one request.
pub(super) struct LaneReply {
    pub(super) lane: LaneName,
    shared: Arc<Shared>,
    response: Arc<StoredResponse>,
    events: EventStream<EventText>,
    fault: Option<Kind>,
    sent: usize,
    /// The first value of a field that all calls share.
    shared_value: Option<Value>,
    /// An error has ended it.
    has_failed: bool,
    is_ended: bool,
}

impl LaneReply {
    pub(super) fn new(
        lane: LaneName,
        shared: Arc<Shared>,
        response: Arc<StoredResponse>,
        events: EventStream<EventText>,
        fault: Option<Kind>,
    ) -> Self {
        Self {
            lane,
            shared,
            response,
            events,
            fault,
            sent: 0,
            shared_value: None,
            has_failed: false,
            is_ended: false,
        }
    }

    /// The next step; none after the end.
    pub(super) async fn next(&mut self) -> Option<Step> {
        if self.is_ended {
            return None;
        }
        if self.has_failed {
            self.is_ended = true;
            return Some(Step::End(None));
        }
        if let Some(step) = self.fault_step().await {
            return Some(step);
        }
        let Some(event) = self.events.next().await else {
            self.is_ended = true;
            return Some(Step::End(Some(Arc::clone(&self.response))));
        };
        self.sent += 1;
        let text = self.in_lane(event.json);
        Some(match self.fault {
            Some(Kind::Split { bytes }) => Step::SendInFrames(text, bytes),
            Some(Kind::Duplicate(field)) => Step::Send(self.with_shared_value(field, text)),
            _ => Step::Send(text),
        })
    }

    /// What the fault does before the next event, if it is its turn.
    async fn fault_step(&mut self) -> Option<Step> {
        match self.fault.clone()? {
            Kind::Slow(delay) if self.sent == 0 => {
                self.fault = None;
                self.shared.pause(delay).await;
                None
            }
            Kind::Truncate { after, reset, .. } if self.sent == after => {
                self.is_ended = true;
                Some(Step::Close { reset })
            }
            Kind::Stall { after, pings: true } if self.sent == after => {
                tokio::time::sleep(PING_INTERVAL).await;
                Some(Step::Ping)
            }
            Kind::Stall { after, pings: false } if self.sent == after => {
                _ = self.shared.stopping.subscribe().wait_for(|stopping| *stopping).await;
                Some(Step::Close { reset: true })
            }
            Kind::Garbage { after } if self.sent == after => {
                self.fault = None;
                Some(Step::Send("{\"type\":\"response.output_text".to_owned()))
            }
            Kind::Error { after, code } if self.sent == after => {
                self.has_failed = true;
                self.events.cut.set();
                Some(Step::Send(to_message(None, in_the_middle(code), [], self.lane.as_deref())))
            }
            Kind::ConnectionLimit { after } if self.sent == after => {
                self.fault = Some(Kind::Truncate { after, reset: false, bytes: false });
                Some(Step::Send(connection_limit().to_message(None)))
            }
            _ => None,
        }
    }

    /// The event with the name of its lane.
    fn in_lane(&self, mut event: String) -> String {
        if let (Some(name), Some('}')) = (&self.lane, event.pop()) {
            // A name has no characters that JSON would escape.
            event.push_str(&format!(",\"stream_id\":\"{name}\""));
        }
        event.push('}');
        event
    }

    fn with_shared_value(&mut self, field: SharedField, text: String) -> String {
        let changed = duplicate::calls(field, &mut self.shared_value, Bytes::from(text));
        String::from_utf8_lossy(&changed).into_owned()
    }
}

/// The error of a connection that is too old.
fn connection_limit() -> ApiError {
    ApiError::invalid(
        "This WebSocket connection has reached its limit of 60 minutes. Open another one to go on.",
    )
    .code("websocket_connection_limit_reached")
}
