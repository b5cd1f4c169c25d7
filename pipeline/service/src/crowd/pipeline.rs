//! What the threads of one crowd camera share, from the decoder to the counts.
//!
//! Its locks are leaves, and none is held while a model runs or a preview is rendered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatehouse_config::CrowdCamera;
use gatehouse_core::{CameraId, FateCounters};
use gatehouse_crowd::change::ChangeCheck;
use gatehouse_crowd::preview::Preview;
use gatehouse_crowd::tiling::Tiling;
use gatehouse_crowd::view::{ReferenceView, ViewCheck};
use gatehouse_crowd::{Crowd, CrowdModel};
use gatehouse_picture::Thumbnail;
use parking_lot::Mutex;

use super::scene_folder::SceneFolder;
use super::settings::{detail_px, looking, options};
use crate::NodeError;

/// One crowd camera of a running node. It has no place for a face model, a gallery or a person.
pub(super) struct CrowdPipeline {
    pub(super) camera: CameraId,
    pub(super) detail_px: usize,
    pub(super) density_px: usize,
    /// Taken by the worker and, for an unchanged picture, by the decoder's thread.
    pub(super) state: Mutex<CrowdState>,
    /// Used by the worker alone.
    pub(super) preview: Option<Mutex<Preview>>,
    /// Used by the decoder's thread alone.
    pub(super) scene: Mutex<Scene>,
    /// The view that the decoder's thread has just learnt. The worker writes it to its file.
    pub(super) learnt: Mutex<Option<ReferenceView>>,
    /// The number of the last picture that was offered, and of the last one that was counted.
    offered: AtomicU64,
    counted: AtomicU64,
    pub(super) fates: Arc<FateCounters>,
}

/// What the camera's pictures are counted with.
pub(super) struct CrowdState {
    pub(super) crowd: Crowd,
    pub(super) tiling: Tiling,
}

/// What the camera's scene is compared with.
pub(super) struct Scene {
    pub(super) thumbnail: Thumbnail,
    /// `None` if every picture is counted.
    pub(super) change: Option<ChangeCheck>,
    pub(super) view: ViewCheck,
}

impl CrowdPipeline {
    /// Builds the pipeline of a camera, with the scenes that were kept of it.
    ///
    /// # Errors
    /// If the camera's ground doesn't fit.
    pub(super) fn new(
        camera: &CrowdCamera,
        density_px: usize,
        model: CrowdModel,
        scenes: &SceneFolder,
        fates: Arc<FateCounters>,
    ) -> Result<Arc<Self>, NodeError> {
        let id = &camera.id;
        if camera.detail_px.is_none() {
            tracing::info!(camera = %id, "people are detected in pictures of {} pixels, by the camera's `ground`", detail_px(camera));
        }
        let options = options(id, camera)?;
        let detail_px = options.detail_px;
        let tiling = Tiling::new(camera.tiles, detail_px, options.ground);
        let empty = scenes.read_empty(id, &looking(camera, &model.name, density_px));
        let mut crowd = Crowd::new(id.clone(), model, options);
        empty.into_iter().for_each(|empty| crowd.know_empty_scene(empty));
        let change = camera.skip_unchanged.then(ChangeCheck::default);
        let view = ViewCheck::new(scenes.read(id));
        Ok(Arc::new(Self {
            camera: id.clone(),
            detail_px,
            density_px,
            state: Mutex::new(CrowdState { crowd, tiling }),
            preview: camera.preview.then(Mutex::default),
            scene: Mutex::new(Scene { thumbnail: Thumbnail::default(), change, view }),
            learnt: Mutex::new(None),
            offered: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            fates,
        }))
    }

    /// The number of the next picture that is offered.
    pub(super) fn next_number(&self) -> u64 {
        self.offered.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records that a picture was counted and its events were sent.
    pub(super) fn record_counted(&self, number: u64) {
        self.counted.store(number, Ordering::Release);
    }

    /// True while a picture that was offered is not counted yet.
    pub(super) fn has_picture_in_flight(&self) -> bool {
        self.offered.load(Ordering::Relaxed) != self.counted.load(Ordering::Acquire)
    }
}
