//! `gatehouse view`: the view that a crowd camera's zones were drawn on.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::CameraId;
use gatehouse_service::Views;

use crate::check;
use crate::exit::{Exit, Failure};
use crate::print;

/// The view that a crowd camera's zones were drawn on: is it known, or learn it anew
///
/// A node learns the view of each crowd camera in its first minute and keeps it. When a camera is moved or turned away, the
/// node says so and doesn't count its zones, which would lie elsewhere then. Put the camera back; or draw the zones anew, run
/// this with `--learn`, and restart the node. Of the scene nothing is kept but its edges on a coarse grid.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// The site file
    site: PathBuf,
    /// The camera
    camera: String,
    /// Forget the view, so that the node learns it anew when it starts
    #[arg(long)]
    learn: bool,
}

pub(crate) fn view(args: &ViewArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    if site.crowds.iter().all(|camera| camera.id != args.camera) {
        let cameras: Vec<&str> = site.crowds.iter().map(|camera| camera.id.as_str()).collect();
        let known = if cameras.is_empty() { "none".to_owned() } else { cameras.join(", ") };
        let message = format!("{}: no crowd camera `{}`; there are: {known}", args.site.display(), args.camera);
        return Err(Failure::say(Exit::Input, message));
    }
    let (views, camera) = (Views::beside(&site.store.path), CameraId::new(&args.camera));
    let path = views.path(&camera);
    if !args.learn {
        let state = if path.exists() { "is kept in" } else { "was not learnt yet; it will be in" };
        print::line(&format!("{camera}: the reference view {state} {}", path.display()))?;
        return Ok(());
    }
    let forgotten =
        views.forget(&camera).map_err(|e| Failure::say(Exit::Failed, format!("{}: {e}", path.display())))?;
    print::line(&if forgotten {
        format!("{camera}: the reference view is forgotten; restart the node, and it learns the new one in a minute")
    } else {
        format!("{camera}: there was no reference view; a node learns it in its first minute")
    })?;
    Ok(())
}
