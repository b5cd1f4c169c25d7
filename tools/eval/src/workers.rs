//! Spreads pictures over threads, each with models of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::error::EvalError;

/// Pictures a worker takes at a time; few, as batches are no cheaper than pictures on a CPU.
const BATCH: usize = 4;

/// Told how many of all pictures are done, from several threads.
pub type Progress<'p> = &'p (dyn Fn(usize, usize) + Sync);

/// What `work` makes of each picture, in order; `new` makes each thread's worker. The first error
/// ends it all.
pub(crate) fn spread<P: Sync, W, R: Send>(
    pictures: &[P],
    threads: usize,
    progress: Progress<'_>,
    new: impl Fn() -> Result<W, EvalError> + Sync,
    work: impl Fn(&mut W, usize, &[P]) -> Result<Vec<R>, EvalError> + Sync,
) -> Result<Vec<R>, EvalError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<R>>> = Mutex::new(pictures.iter().map(|_| None).collect());
    let one_worker = || -> Result<(), EvalError> {
        let mut worker = new()?;
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) = pictures.get(start..(start + BATCH).min(pictures.len())).filter(|b| !b.is_empty()) else {
                return Ok(());
            };
            let made = work(&mut worker, start, batch)?;
            let mut results = results.lock();
            results[start..].iter_mut().zip(made).for_each(|(place, result)| *place = Some(result));
            drop(results);
            progress(done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len(), pictures.len());
        }
    };
    let attempt = || {
        one_worker().inspect_err(|_| {
            // The others find nothing left to do.
            next.store(pictures.len(), Ordering::Relaxed);
        })
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, pictures.len().max(1))).map(|_| scope.spawn(attempt)).collect();
        let ends: Vec<_> =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect();
        ends.into_iter().collect::<Result<(), _>>()
    })?;
    Ok(results.into_inner().into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn pictures(count: usize) -> Vec<PathBuf> {
        (0..count).map(|n| PathBuf::from(n.to_string())).collect()
    }

    #[test]
    fn results_keep_the_order_and_progress_reaches_the_end() {
        let most = AtomicUsize::new(0);
        let progress = |done: usize, _: usize| {
            most.fetch_max(done, Ordering::Relaxed);
        };
        let made = spread(
            &pictures(23),
            3,
            &progress,
            || Ok(()),
            |(), start, batch| Ok((start..start + batch.len()).map(|n| (n, batch[n - start].clone())).collect()),
        );
        let made = made.expect("no error");
        assert!(
            made.iter().enumerate().all(|(n, (place, path))| n == *place && path.as_os_str() == n.to_string().as_str())
        );
        assert_eq!((made.len(), most.into_inner()), (23, 23));
        assert!(
            spread(&pictures(0), 3, &|_, _| (), || Ok(()), |(), _, _| Ok(vec![0])).expect("nothing to do").is_empty()
        );
    }

    #[test]
    fn the_first_error_ends_it() {
        let error = || EvalError::Plot("no".to_owned());
        let made = spread(
            &pictures(1000),
            2,
            &|_, _| (),
            || Ok(()),
            |(), start, batch| {
                if start == 40 { Err(error()) } else { Ok(vec![(); batch.len()]) }
            },
        );
        assert!(made.is_err());
        assert!(spread(&pictures(5), 2, &|_, _| (), || Err::<(), _>(error()), |(), _, _| Ok(vec![()])).is_err());
    }
}
