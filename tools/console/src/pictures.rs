//! A camera's preview, as a stream of JPEGs that an `<img>` plays, or as the next single one.
//!
//! Asking is what makes the node render: it does so only while somebody watches. So nobody is ever
//! given a picture from before they asked.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatehouse_crowd::preview::PreviewFrame;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::refusal::{Refusal, not_found, refusal};
use crate::server::App;

/// How long a request for a single picture waits for it.
const NEXT_WITHIN: Duration = Duration::from_secs(3);
/// Between the parts of a stream; in no JPEG, since a JPEG's own length is given.
const BOUNDARY: &str = "gatehouse-preview";

type Frames = watch::Receiver<Option<Arc<PreviewFrame>>>;

/// `/api/camera/{id}/preview.jpg`
pub(crate) async fn single(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let mut frames = watch_camera(&app, &id)?;
    let mut stopped = app.stopped.clone();
    let next = tokio::select! {
        next = tokio::time::timeout(NEXT_WITHIN, next_frame(&mut frames)) => next.ok().flatten(),
        _ = stopped.changed() => None,
    };
    let Some(frame) = next else {
        let message = format!("camera `{id}` gave no picture within {} s", NEXT_WITHIN.as_secs());
        return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, &message));
    };
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], Body::from(bytes(frame))).into_response())
}

/// `/api/camera/{id}/preview.mjpeg`
pub(crate) async fn stream(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let mut frames = watch_camera(&app, &id)?;
    // Room for one picture: a slow reader gets the newest when it is ready, not a queue of old
    // ones.
    let (to_reader, parts) = mpsc::channel(1);
    let mut stopped = app.stopped.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = play(&mut frames, &to_reader) => {}
            () = to_reader.closed() => {}
            _ = stopped.changed() => {}
        }
    });
    let body = ReceiverStream::new(parts).map(Ok::<_, Infallible>);
    let media_type = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    Ok(([(header::CONTENT_TYPE, media_type)], Body::from_stream(body)).into_response())
}

fn watch_camera(app: &App, id: &str) -> Result<Frames, Refusal> {
    app.view.preview(id).ok_or_else(|| not_found(&format!("there is no camera `{id}` with a preview")))
}

async fn next_frame(frames: &mut Frames) -> Option<Arc<PreviewFrame>> {
    loop {
        frames.changed().await.ok()?;
        if let Some(frame) = frames.borrow_and_update().clone() {
            return Some(frame);
        }
    }
}

async fn play(frames: &mut Frames, reader: &mpsc::Sender<Bytes>) {
    // A browser shows a part once it has seen the boundary after it, so each part ends with one.
    let mut before = format!("--{BOUNDARY}\r\n");
    loop {
        let Ok(room) = reader.reserve().await else {
            return;
        };
        let Some(frame) = next_frame(frames).await else {
            return;
        };
        let jpeg = frame.jpeg();
        let head = format!("{before}content-type: image/jpeg\r\ncontent-length: {}\r\n\r\n", jpeg.len());
        let tail = format!("\r\n--{BOUNDARY}\r\n");
        room.send(Bytes::from([head.as_bytes(), jpeg, tail.as_bytes()].concat()));
        before.clear();
    }
}

/// The frame's bytes, without copying them.
fn bytes(frame: Arc<PreviewFrame>) -> Bytes {
    struct Jpeg(Arc<PreviewFrame>);
    impl AsRef<[u8]> for Jpeg {
        fn as_ref(&self) -> &[u8] {
            self.0.jpeg()
        }
    }
    Bytes::from_owner(Jpeg(frame))
}
