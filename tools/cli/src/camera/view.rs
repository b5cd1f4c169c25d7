//! `gatehouse camera view`: a crowd camera's reference view and its empty scene.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use gatehouse_config::CrowdCamera;
use gatehouse_core::CameraId;
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_crowd::empty::EmptySceneWatch;
use gatehouse_crowd::tiling::Tiling;
use gatehouse_crowd::{CrowdReader, LEAST_SCORE};
use gatehouse_people::PeopleScene;
use gatehouse_runtime::{Assets, SessionOptions};
use gatehouse_service::{SceneFolder, crowd_options, density_px, looking, open_registry, stream};
use gatehouse_terminal::{Exit, Failure, print};

use super::frames;
use crate::{check, failure};

/// Pictures of an empty scene that are needed at least.
const MIN_PICTURES: usize = 5;

/// Show, forget or correct the reference view of a crowd camera
///
/// A node learns the view of each crowd camera in its first minute and keeps it. When the camera is
/// moved or turned, the node reports it and stops counting its zones, because they no longer fit
/// the picture. Put the camera back; or draw the zones anew, run this command with `--learn`, and
/// restart the node. Only the edges of the scene are kept, on a coarse grid.
///
/// A model may mistake a poster or a bush for people. While nobody is there, run this command with
/// `--empty`: it prints what the model detects then, and the node ignores it after its next start.
/// Only the positions of these false detections are kept.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// The site file
    site: PathBuf,
    /// The camera
    camera: String,
    /// Forget the view and the empty scene, so that the node learns the view anew at its next start
    #[arg(long, conflicts_with = "empty")]
    learn: bool,
    /// Nobody is there now: record for this long what the model mistakes for people
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "20",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    empty: Option<u64>,
}

pub(crate) fn view(args: &ViewArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let Some(settings) = site.crowds.iter().find(|camera| camera.id.as_str() == args.camera) else {
        let cameras: Vec<&str> = site.crowds.iter().map(|camera| camera.id.as_str()).collect();
        let known = if cameras.is_empty() { "none".to_owned() } else { cameras.join(", ") };
        let message = format!("{}: no crowd camera `{}`; there are: {known}", args.site.display(), args.camera);
        return Err(Failure::message(Exit::Input, message));
    };
    let (views, camera) = (SceneFolder::beside(&site.store.path), CameraId::new(&args.camera));
    if let Some(seconds) = args.empty {
        return learn_empty_scene(&site, settings, &views, Duration::from_secs(seconds));
    }
    let path = views.path(&camera);
    if !args.learn {
        let state = if path.exists() { "is kept in" } else { "was not learnt yet; it will be in" };
        return print::line(&format!("{camera}: the reference view {state} {}", path.display()));
    }
    let forgotten = views.forget(&camera).with_context(|| path.display().to_string())?;
    print::line(&if forgotten {
        format!(
            "{camera}: the reference view is forgotten; restart the node, and it learns the new view within a minute"
        )
    } else {
        format!("{camera}: there was no reference view; the node learns it in its first minute")
    })
}

fn learn_empty_scene(
    site: &gatehouse_config::Site,
    settings: &CrowdCamera,
    views: &SceneFolder,
    within: Duration,
) -> Result<(), Failure> {
    let camera = settings.id.clone();
    let assets = Assets::locate().map_err(Failure::setup)?;
    let registry = open_registry(assets, &site.models.manifests, &site.models.providers).map_err(failure::node)?;
    let (detector, density) = (&site.models.person_detector, site.models.crowd_density.as_deref());
    let mut reader = CrowdReader::load(&registry, detector, density, &SessionOptions::default())?;
    let density_side_px = density_px(settings, &reader);
    let counted = crowd_options(&camera, settings).map_err(failure::node)?;
    let mut tiling = Tiling::new(settings.tiles, counted.detail_px, counted.ground);
    let options = stream(&camera, &settings.common).map_err(failure::node)?;
    let mut watch = EmptySceneWatch::new(looking(settings, &reader.name(), density_side_px));
    let mut readings = Vec::new();
    frames::for_each_frame(options, within, |frame| {
        let picture = frame.picture();
        // A dark picture shows nothing. A frozen one may still show the empty scene.
        if PictureVerdict::of(&picture, frame.frozen.is_some()) != PictureVerdict::Dark {
            let tiles = tiling.tiles(picture.size());
            let scene = PeopleScene { picture, longer_side_px: counted.detail_px, density_side_px, tiles: &tiles };
            reader.read(std::iter::once(scene), LEAST_SCORE, &mut readings)?;
            readings.iter().for_each(|reading| watch.add(reading, picture.size()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let pictures = watch.pictures();
    if pictures < MIN_PICTURES {
        let message = format!("{camera}: only {pictures} usable picture(s) arrived; {MIN_PICTURES} are needed");
        return Err(Failure::message(Exit::Failed, message));
    }
    let empty = watch.finish();
    let path = views.empty_path(&camera);
    views.keep_empty(&camera, &empty).with_context(|| path.display().to_string())?;
    let (people, density) = empty.phantoms(settings.min_score);
    print::line(&format!(
        "{camera}: in {pictures} pictures without people the model would count {people} by detection and {density:.1} by \
         density; kept in {}, and ignored after the node's next start. If somebody was there, run this command again.",
        path.display()
    ))
}
