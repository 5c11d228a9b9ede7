//! Connections that end when nothing has happened on them for a while.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::connect_info::Connected;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};

use crate::counters::{CountedConnection, SharedCounters};

/// Accepts connections that end after this time without a byte in either direction, unless a request is being answered.
pub(crate) struct IdleListener {
    pub(crate) listener: TcpListener,
    pub(crate) limit: Duration,
    pub(crate) counters: SharedCounters,
}

impl Listener for IdleListener {
    type Io = IdleStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Chunks leave one by one, as they do from a real server.
        let _ = stream.set_nodelay(true);
        let timer = Box::pin(sleep(self.limit));
        let counted = self.counters.connection();
        let requests = Requests::default();
        (IdleStream { stream, limit: self.limit, timer, requests, _counted: counted }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// The requests of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    /// How many are being answered.
    active: Arc<AtomicUsize>,
    is_broken: Arc<AtomicBool>,
    is_reset: Arc<AtomicBool>,
}

impl Connected<IncomingStream<'_, IdleListener>> for Requests {
    fn connect_info(stream: IncomingStream<'_, IdleListener>) -> Self {
        stream.io().requests.clone()
    }
}

impl Requests {
    /// Counts a request for as long as the result lives.
    pub(crate) fn begin(&self) -> ActiveRequest {
        self.active.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(self.clone())
    }

    fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0
    }

    /// Closes the connection as soon as something is written to it.
    pub(crate) fn break_connection(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Makes the connection end by a reset.
    pub(crate) fn reset_connection(&self) {
        self.is_reset.store(true, Ordering::Relaxed);
    }
}

/// A request that is being answered.
pub(crate) struct ActiveRequest(Requests);

impl ActiveRequest {
    /// Lasts until the response has been sent, which may be a stream.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        // A body of known size is sent without a pause; a stream would hide its size.
        if response.body().size_hint().exact().is_some() {
            return response;
        }
        response.map(|body| {
            Body::from_stream(body.into_data_stream().map(move |piece| {
                let _active = &self;
                piece
            }))
        })
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that looks ended to the server once it has been idle for too long.
pub(crate) struct IdleStream {
    stream: TcpStream,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    requests: Requests,
    _counted: CountedConnection,
}

impl IdleStream {
    /// # Errors
    /// The connection is to break.
    fn check(&self) -> io::Result<()> {
        match self.requests.is_broken.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }

    fn restart(&mut self) {
        if let Some(end) = Instant::now().checked_add(self.limit) {
            self.timer.as_mut().reset(end);
        }
    }
}

impl Drop for IdleStream {
    fn drop(&mut self) {
        if self.requests.is_reset.load(Ordering::Relaxed) {
            // Without it, the connection is closed.
            _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for IdleStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(outcome) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            self.restart();
            return Poll::Ready(outcome);
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            if !self.requests.is_active() {
                return Poll::Ready(Ok(()));
            }
            self.restart();
        }
    }
}

impl AsyncWrite for IdleStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, buffer));
        self.restart();
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, buffers));
        self.restart();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
