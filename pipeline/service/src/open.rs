//! Opens what a site names: its secret, its store, its models.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use gatehouse_config::Site;
use gatehouse_core::provider::Provider;
use gatehouse_credential::SiteSecret;
use gatehouse_runtime::{Assets, Registry};
use gatehouse_store::Store;

use crate::NodeError;
use crate::models::load_catalogue;

/// The secret of a site.
///
/// # Errors
/// If it can't be read, or its text is no secret.
pub fn site_secret(site: &Site) -> Result<SiteSecret, NodeError> {
    let secret = |source| NodeError::Secret { what: "store.key".into(), source };
    Ok(SiteSecret::from_text(site.store.key.resolve().map_err(secret)?.expose())?)
}

/// Opens the store of a site with its secret. Creates a missing folder, readable by its owner only.
///
/// # Errors
/// If the secret can't be read or doesn't fit, or the file can't be opened.
pub fn open_store(site: &Site) -> Result<Store, NodeError> {
    open_store_with(site, &site_secret(site)?)
}

pub(crate) fn open_store_with(site: &Site, secret: &SiteSecret) -> Result<Store, NodeError> {
    if let Some(folder) = site.store.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        created.map_err(|source| NodeError::StoreFolder { folder: folder.to_owned(), source })?;
    }
    Ok(Store::open(&site.store.path, secret)?)
}

/// The models that a site may use: the built-in manifests and those in the site's folders. The
/// first usable provider runs a model.
///
/// # Errors
/// If a manifest can't be read, or ONNX Runtime can't be loaded.
pub fn open_registry(assets: Assets, manifests: &[PathBuf], providers: &[Provider]) -> Result<Registry, NodeError> {
    Ok(Registry::open_on(assets, load_catalogue(manifests)?, providers)?)
}
