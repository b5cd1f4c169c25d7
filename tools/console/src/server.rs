//! The routes, and the server that serves them until shutdown.

use std::future::{Future, IntoFuture};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use gatehouse_service::view::NodeView;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::refusal::{not_found, refusal};
use crate::{assets, events, guard, pictures};

/// How long open requests get to end once the server is to stop. Streams end at once; this is for a
/// reader that doesn't read.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);

/// State that every request can use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) view: Arc<NodeView>,
    pub(crate) port: u16,
    /// Closed when streams must end.
    pub(crate) stopped: watch::Receiver<()>,
}

/// Serves the console of `view` until `shutdown` is done, and then ends its streams and returns
/// within about 2 s.
///
/// # Errors
/// If `listener` has an address that other machines can reach, since there is no login, or if the
/// socket fails.
pub async fn serve(
    listener: TcpListener,
    view: Arc<NodeView>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let message = format!("the console has no login, so it listens on 127.0.0.1 or [::1] only, not on {address}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let (stop, stopped) = watch::channel(());
    let app = App { view, port: address.port(), stopped: stopped.clone() };
    let stopping = async move {
        shutdown.await;
        drop(stop);
    };
    let serving = axum::serve(listener, router(app)).with_graceful_shutdown(stopping).into_future();
    let mut stopped = stopped;
    tokio::select! {
        served = serving => served,
        () = async {
            while stopped.changed().await.is_ok() {}
            tokio::time::sleep(DRAIN_WITHIN).await;
        } => Ok(()),
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{name}", get(assets::asset))
        .route("/api/snapshot", get(events::snapshot))
        .route("/api/events", get(events::events))
        .route("/api/camera/{id}/preview.mjpeg", get(pictures::stream))
        .route("/api/camera/{id}/preview.jpg", get(pictures::single))
        .fallback(|path: Uri| async move { not_found(&format!("there is nothing at `{}`", path.path())) })
        .method_not_allowed_fallback(|| async { refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered") })
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
