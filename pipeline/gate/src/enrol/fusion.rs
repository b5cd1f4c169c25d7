//! Fuses several pictures of a person into one template.

use gatehouse_faces::{Embedding, Gallery, Template, TemplateProtection};
use zeroize::Zeroizing;

use super::EnrolError;

/// Fuses the embeddings of a person's pictures into one template: their mean, protected.
///
/// All embeddings have length 1, so each picture has the same weight. Differences of light,
/// expression and glasses average out. One template per person stores less than one per picture,
/// gives strangers one chance to resemble the person instead of several, and makes the search
/// faster.
///
/// # Errors
/// If there is no embedding, or two score below `same_person` (a cosine): the mean of two people
/// would match both.
pub fn fuse(
    embeddings: &[Embedding],
    protection: &TemplateProtection,
    same_person: f32,
) -> Result<Template, EnrolError> {
    if embeddings.is_empty() {
        return Err(EnrolError::TooFew { got: 0, needed: 1 });
    }
    for (second, b) in embeddings.iter().enumerate() {
        for (first, a) in embeddings[..second].iter().enumerate() {
            let score = a.cosine(b);
            if score < same_person || score.is_nan() {
                let threshold = same_person;
                return Err(EnrolError::NotTheSame { first: first + 1, second: second + 1, score, threshold });
            }
        }
    }
    let mut sum = Zeroizing::new([0f32; Embedding::DIMENSIONS]);
    for embedding in embeddings {
        sum.iter_mut().zip(embedding.as_slice()).for_each(|(sum, value)| *sum += value);
    }
    let mean = Embedding::from_slice(sum.as_slice())?;
    Ok(protection.protect(&mean))
}

/// Refuses a person whose face is enrolled already. `except` is the record that is being renewed.
///
/// The error does not say who it is: the person at the desk may be a look-alike.
///
/// # Errors
/// [`EnrolError::AlreadyEnrolled`] if a template of another key scores `threshold` (a cosine) or
/// more.
pub fn refuse_duplicate<K: Copy + Eq>(
    gallery: &Gallery<K>,
    template: &Template,
    except: Option<&K>,
    threshold: f32,
) -> Result<(), EnrolError> {
    let Some(found) = gallery.search(template) else { return Ok(()) };
    let nearest = if Some(found.best.key) == except { found.runner_up } else { Some(found.best) };
    match nearest {
        Some(nearest) if nearest.score >= threshold => Err(EnrolError::AlreadyEnrolled),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(degrees: f32) -> Embedding {
        let mut values = [0.0; Embedding::DIMENSIONS];
        (values[1], values[0]) = degrees.to_radians().sin_cos();
        Embedding::from_slice(&values).expect("128 finite numbers")
    }

    fn protection() -> TemplateProtection {
        TemplateProtection::new(&[3; 32])
    }

    #[test]
    fn the_template_is_the_mean_of_the_pictures() {
        let fused = fuse(&[embedding(0.0), embedding(30.0)], &protection(), 0.4).expect("one person");
        let score = |degrees: f32| fused.cosine(&protection().protect(&embedding(degrees)));
        assert!((score(15.0) - 1.0).abs() < 1e-5);
        assert!((score(0.0) - score(30.0)).abs() < 1e-5);
    }

    #[test]
    fn pictures_of_two_people_are_refused_by_number() {
        let pictures = [embedding(0.0), embedding(10.0), embedding(90.0)];
        let error = fuse(&pictures, &protection(), 0.4).expect_err("the third is somebody else");
        assert!(matches!(error, EnrolError::NotTheSame { first: 1, second: 3, .. }), "{error}");
        let none = fuse(&[], &protection(), 0.4).expect_err("no picture");
        assert!(matches!(none, EnrolError::TooFew { got: 0, needed: 1 }), "{none}");
    }

    #[test]
    fn a_duplicate_is_refused_without_saying_whose_it_is() {
        let enrolled: Gallery<&str> = [("ann", 0.0), ("bob", 90.0)]
            .map(|(key, at)| (key, protection().protect(&embedding(at))))
            .into_iter()
            .collect();
        let check = |at: f32, except| refuse_duplicate(&enrolled, &protection().protect(&embedding(at)), except, 0.5);
        let error = check(20.0, None).expect_err("it is Ann").to_string();
        assert!(
            error.starts_with("this face is enrolled already") && !error.to_lowercase().contains("ann "),
            "{error}"
        );
        assert!(check(180.0, None).is_ok());
        assert!(check(20.0, Some(&"ann")).is_ok(), "a renewal");
        assert!(check(45.0, Some(&"ann")).is_err(), "somebody else's face for Ann's record");
        assert!(refuse_duplicate(&Gallery::<u8>::default(), &protection().protect(&embedding(0.0)), None, 0.5).is_ok());
    }
}
