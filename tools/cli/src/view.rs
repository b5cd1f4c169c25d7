//! `gatehouse view`: the view that a crowd camera's zones were drawn on, and what is seen in its empty scene.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gatehouse_config::CrowdCamera;
use gatehouse_core::CameraId;
use gatehouse_core::picture_check::{PictureCheck, PictureVerdict};
use gatehouse_crowd::empty::EmptySceneWatch;
use gatehouse_crowd::tiling::Tiling;
use gatehouse_crowd::{CrowdReader, LEAST_SCORE};
use gatehouse_people::PeopleScene;
use gatehouse_runtime::{Assets, SessionOptions};
use gatehouse_service::{Views, crowd_options, density_px, looking, open_registry, stream};

use crate::camera::{self, Enough};
use crate::exit::{self, Exit, Failure};
use crate::{check, print};

/// Fewer pictures of an empty scene are not enough to go by.
const AT_LEAST: usize = 5;

/// The view that a crowd camera's zones were drawn on: is it known, or learn it anew; and what is seen while nobody is there
///
/// A node learns the view of each crowd camera in its first minute and keeps it. When a camera is moved or turned away, the
/// node says so and doesn't count its zones, which would lie elsewhere then. Put the camera back; or draw the zones anew, run
/// this with `--learn`, and restart the node. Of the scene nothing is kept but its edges on a coarse grid.
///
/// A model may take a poster or a bush for people. While nobody is there, run this with `--empty`: what the model sees then is
/// told, and left out once the node is restarted. Of the scene nothing is kept but where that is.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// The site file
    site: PathBuf,
    /// The camera
    camera: String,
    /// Forget the view, so that the node learns it anew when it starts; the empty scene is forgotten with it
    #[arg(long, conflicts_with = "empty")]
    learn: bool,
    /// Nobody is there now: for so many seconds, look at what the model takes for people all the same
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "20",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    empty: Option<u64>,
}

pub(crate) fn view(args: &ViewArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let Some(settings) = site.crowds.iter().find(|camera| camera.id == args.camera) else {
        let cameras: Vec<&str> = site.crowds.iter().map(|camera| camera.id.as_str()).collect();
        let known = if cameras.is_empty() { "none".to_owned() } else { cameras.join(", ") };
        let message = format!("{}: no crowd camera `{}`; there are: {known}", args.site.display(), args.camera);
        return Err(Failure::say(Exit::Input, message));
    };
    let (views, camera) = (Views::beside(&site.store.path), CameraId::new(&args.camera));
    if let Some(seconds) = args.empty {
        return look_at_empty_scene(&site, settings, &views, Duration::from_secs(seconds));
    }
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

fn look_at_empty_scene(
    site: &gatehouse_config::Site,
    settings: &CrowdCamera,
    views: &Views,
    within: Duration,
) -> Result<(), Failure> {
    let camera = CameraId::new(&settings.id);
    let assets = Assets::locate().map_err(|e| Failure::new(Exit::Setup, e))?;
    let registry = open_registry(assets, &site.models.manifests, &site.models.providers)
        .map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let (detector, density) = (&site.models.person_detector, site.models.crowd_density.as_deref());
    let mut reader = CrowdReader::load(&registry, detector, density, &SessionOptions::default())?;
    let density_side_px = density_px(settings, &reader);
    let counted = crowd_options(&camera, settings).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let mut tiling = Tiling::new(settings.tiles, counted.detail_px, counted.ground);
    let options = stream(&camera, &settings.stream).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let mut watch = EmptySceneWatch::new(looking(settings, &reader.name(), density_side_px));
    let (mut check, mut readings) = (PictureCheck::default(), Vec::new());
    camera::watch(options, within, |frame| {
        let picture = frame.picture();
        // A black picture is empty of everything. One that stands still may well be of an empty place.
        if check.judge(&picture, frame.times.arrival) != PictureVerdict::Dark {
            let tiles = tiling.tiles(picture.size());
            let scene = PeopleScene { picture, longer_side_px: counted.detail_px, density_side_px, tiles: &tiles };
            reader.read(std::iter::once(scene), LEAST_SCORE, &mut readings)?;
            readings.iter().for_each(|reading| watch.add(reading, picture.size()));
        }
        Ok(Enough::No)
    })?;
    let pictures = watch.pictures();
    if pictures < AT_LEAST {
        let message = format!("{camera}: only {pictures} usable picture(s) came; {AT_LEAST} are needed");
        return Err(Failure::say(Exit::Failed, message));
    }
    let empty = watch.finish();
    let path = views.empty_path(&camera);
    views.keep_empty(&camera, &empty).map_err(|e| Failure::say(Exit::Failed, format!("{}: {e}", path.display())))?;
    let (people, density) = empty.phantoms(settings.min_score);
    print::line(&format!(
        "{camera}: in {pictures} pictures without people the model would count {people} one by one and {density:.1} by density; \
         kept in {}, left out once the node is restarted. If somebody was there, do it again.",
        path.display()
    ))?;
    Ok(())
}
