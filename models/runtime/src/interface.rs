//! Compares the tensors of a graph with its manifest.

use crate::manifest::{Dimension, Manifest};

/// A tensor as the graph declares it; −1 is a size known at run time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GraphTensor {
    pub(crate) name: String,
    pub(crate) element: String,
    pub(crate) shape: Vec<i64>,
}

/// Describes every difference.
pub(crate) fn differences(manifest: &Manifest, inputs: &[GraphTensor], outputs: &[GraphTensor]) -> Vec<String> {
    let declared = manifest.inputs.iter().map(|i| (i.name.as_str(), i.element.as_str(), i.shape.as_slice()));
    let mut found = compare("input", &declared.collect::<Vec<_>>(), inputs);
    let declared = manifest.outputs.iter().map(|o| (o.name.as_str(), o.element.as_str(), o.shape.as_slice()));
    found.extend(compare("output", &declared.collect::<Vec<_>>(), outputs));
    found
}

fn compare(kind: &str, declared: &[(&str, &str, &[Dimension])], graph: &[GraphTensor]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, element, shape) in declared {
        let Some(tensor) = graph.iter().find(|tensor| tensor.name == *name) else {
            let names = graph.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>().join(", ");
            found.push(format!("{kind} `{name}` is not in the file, which has {names}"));
            continue;
        };
        if tensor.element != *element {
            found.push(format!("{kind} `{name}` is {} in the file, {element} in the manifest", tensor.element));
        }
        if !fits(shape, &tensor.shape) {
            let graph = tensor.shape.iter().map(|size| if *size < 0 { "?".to_owned() } else { size.to_string() });
            found.push(format!(
                "{kind} `{name}` has shape [{}] in the file, [{}] in the manifest",
                graph.collect::<Vec<_>>().join(", "),
                shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ));
        }
    }
    for tensor in graph.iter().filter(|tensor| !declared.iter().any(|(name, ..)| *name == tensor.name)) {
        found.push(format!("{kind} `{}` is not in the manifest", tensor.name));
    }
    found
}

// A graph may know less than the manifest, if shape inference gives up. It may not fix a size that
// the manifest leaves open.
fn fits(declared: &[Dimension], graph: &[i64]) -> bool {
    declared.len() == graph.len()
        && declared.iter().zip(graph).all(|(declared, graph)| match declared {
            Dimension::Fixed(size) => *graph < 0 || usize::try_from(*graph) == Ok(*size),
            Dimension::Dynamic(_) => *graph < 0,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::SMALL;

    fn tensor(name: &str, element: &str, shape: &[i64]) -> GraphTensor {
        GraphTensor { name: name.to_owned(), element: element.to_owned(), shape: shape.to_vec() }
    }

    #[test]
    fn a_graph_may_know_less_than_its_manifest() {
        let manifest = Manifest::parse(SMALL, "small.toml").expect("a manifest");
        let inputs = [tensor("picture", "f32", &[-1, 3, -1, -1])];
        assert_eq!(differences(&manifest, &inputs, &[tensor("scores", "f32", &[-1, -1, 2])]), Vec::<String>::new());
        assert_eq!(differences(&manifest, &inputs, &[tensor("scores", "f32", &[-1, -1, -1])]), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_listed() {
        let manifest = Manifest::parse(SMALL, "small.toml").expect("a manifest");
        let inputs = [tensor("picture", "u8", &[1, 3, -1, -1]), tensor("size", "i64", &[2])];
        let outputs = [tensor("boxes", "f32", &[-1, -1, 4])];
        assert_eq!(
            differences(&manifest, &inputs, &outputs),
            [
                "input `picture` is u8 in the file, f32 in the manifest",
                "input `picture` has shape [1, 3, ?, ?] in the file, [batch, 3, height, width] in the manifest",
                "input `size` is not in the manifest",
                "output `scores` is not in the file, which has boxes",
                "output `boxes` is not in the manifest",
            ]
        );
    }
}
