//! The node's web console: one page, served by the node itself, that shows what its cameras see and
//! its gates decide.
//!
//! All of it is in the binary; the page asks for nothing from anywhere else. It is served to this
//! machine alone and has no login yet: [`serve`] refuses an address that others can reach, and the
//! guard in front of every route refuses a request that a page from elsewhere made a browser send.
//!
//! | path | what |
//! |---|---|
//! | `/` and `/assets/…` | the page |
//! | `/api/snapshot` | all that the node shows, as JSON |
//! | `/api/events` | server-sent events: `snapshot` first, then each event as it is published; `alive` when it is quiet |
//! | `/api/camera/{id}/preview.mjpeg` | the camera's live picture, people pixelated |
//! | `/api/camera/{id}/preview.jpg` | the next one picture of it |

mod assets;
mod events;
mod guard;
mod pictures;
mod refusal;
mod server;

pub use server::serve;
