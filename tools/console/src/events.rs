//! `/api/snapshot`, and `/api/events`: a snapshot, then every later event, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use gatehouse_service::view::Snapshot;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::server::App;

/// How often a quiet line says that it is alive; the page takes a line for lost after 12 s without
/// a word.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Events queued here for a slow reader, besides the view's own queue.
const WAITING: usize = 16;

/// `/api/snapshot`
pub(crate) async fn snapshot(State(app): State<App>) -> Json<Snapshot> {
    Json(app.view.snapshot())
}

/// `/api/events`
pub(crate) async fn events(
    State(app): State<App>,
) -> Sse<impl tokio_stream::Stream<Item = Result<Event, Infallible>> + Send + 'static> {
    let (to_reader, stream) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut stopped = app.stopped.clone();
        tokio::select! {
            () = send_events(&app, &to_reader) => {}
            () = to_reader.closed() => {}
            _ = stopped.changed() => {}
        }
    });
    let alive = KeepAlive::new().interval(ALIVE_EVERY).event(Event::default().event("alive").data(""));
    Sse::new(ReceiverStream::new(stream).map(Ok)).keep_alive(alive)
}

/// Sends a snapshot and then events to one reader, until it disconnects or the view ends. A reader
/// that falls behind gets a new snapshot in place of the events that it missed.
async fn send_events(app: &App, reader: &mpsc::Sender<Event>) {
    loop {
        let (snapshot, mut messages) = app.view.subscribe();
        let first = match Event::default().event("snapshot").json_data(snapshot) {
            Ok(first) => first,
            Err(error) => {
                tracing::error!(%error, "cannot write the console's snapshot; this reader sees nothing");
                return;
            }
        };
        if reader.send(first).await.is_err() {
            return;
        }
        loop {
            match messages.recv().await {
                Ok(message) => {
                    let event = Event::default().event(message.kind).data(&message.json);
                    if reader.send(event).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return,
            }
        }
    }
}
