//! A model's outputs as floats, by name and shape; and numbers as an input takes them.

use ndarray::{Array2, ArrayD, Axis, Ix2};

use super::head::Head;
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{Port, Tensor, Tensors};

/// A model's outputs as floats.
pub(super) struct Outputs(pub(super) Vec<Output>);

/// One of them.
pub(super) struct Output {
    pub(super) name: String,
    /// Whether its elements are whole numbers, as those of classes are.
    pub(super) is_whole: bool,
    pub(super) array: ArrayD<f32>,
}

impl Outputs {
    pub(super) fn new(outputs: Tensors) -> Result<Self> {
        let output = |(name, tensor): (String, Tensor)| {
            let (is_whole, array) = match tensor {
                Tensor::I64(array) => (true, array.mapv(|v| v as f32)),
                Tensor::I32(array) => (true, array.mapv(|v| v as f32)),
                other => (false, other.into_f32()?),
            };
            Ok(Output { name, is_whole, array })
        };
        outputs.into_iter().map(output).collect::<Result<_>>().map(Self)
    }

    pub(super) fn shapes(&self) -> String {
        let shapes = self.0.iter().map(|output| format!("`{}` {:?}", output.name, output.array.shape()));
        shapes.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn unfit(&self, wanted: &str) -> Error {
        Error::new(ErrorKind::Model, format!("the family wants {wanted}, and the outputs are {}", self.shapes()))
    }

    /// The first output as a row of so many numbers for each box. Which of the two comes first differs from export to
    /// export; where that cannot be seen, the numbers do (`is_turned`) or the boxes.
    pub(super) fn only(&self, numbers: usize, is_turned: bool) -> Result<Array2<f32>> {
        let unfit = || self.unfit(&format!("one output of boxes with {numbers} numbers each, by the number of labels"));
        let table = self.0.first().and_then(|output| flat(&output.array)).ok_or_else(unfit)?;
        let fits = [table.ncols() == numbers, table.nrows() == numbers];
        let table = match fits {
            [true, true] if is_turned => table.reversed_axes(),
            [true, _] => table,
            [false, true] => table.reversed_axes(),
            [false, false] => return Err(unfit()),
        };
        Ok(table.as_standard_layout().into_owned())
    }

    /// The output of this name, or else the one at this place.
    pub(super) fn named(&self, name: &str, at: usize) -> Option<&ArrayD<f32>> {
        let named = self.0.iter().find(|output| output.name == name);
        named.or_else(|| self.0.get(at)).map(|output| &output.array)
    }
}

/// Without the batch of one.
pub(super) fn flat(array: &ArrayD<f32>) -> Option<Array2<f32>> {
    let mut view = array.view();
    while view.ndim() > 2 {
        let one = view.shape().iter().position(|length| *length == 1)?;
        view = view.index_axis_move(Axis(one), 0);
    }
    view.into_dimensionality::<Ix2>().ok().map(|view| view.to_owned())
}

/// The output that counts, without its batch of one, and whether its elements are whole numbers.
///
/// # Errors
/// `Model` when there is no such output.
pub(super) fn counting(head: &Head, outputs: Tensors) -> Result<(bool, ArrayD<f32>)> {
    let mut all = Outputs::new(vec![head.counting(outputs)?])?;
    let mut output = all.0.pop().ok_or_else(|| Error::internal("an output was lost"))?;
    if output.array.ndim() > 2 && output.array.shape().first() == Some(&1) {
        output.array = output.array.index_axis_move(Axis(0), 0);
    }
    Ok((output.is_whole, output.array))
}

/// The output that counts as one grid of numbers.
///
/// # Errors
/// `Model` when it is no single grid, empty, or not all numbers.
pub(super) fn plane(head: &Head, outputs: Tensors) -> Result<Array2<f32>> {
    let (_, array) = counting(head, outputs)?;
    let shape = array.shape().to_vec();
    let wrong = |fault: &str| Error::new(ErrorKind::Model, format!("the output {shape:?} {fault}"));
    let grid = flat(&array).ok_or_else(|| wrong("is no single grid"))?;
    if grid.is_empty() || grid.iter().any(|number| !number.is_finite()) {
        return Err(wrong("is empty or not all numbers (NaN or infinite)"));
    }
    Ok(grid)
}

/// Numbers of the type that an input has; whole ones where its model does not tell (a server may not).
///
/// # Errors
/// `Model` naming the input, when its elements are of a type that cannot be given.
pub(super) fn typed(numbers: &ArrayD<f64>, port: &Port) -> Result<Tensor> {
    Ok(match port.of.as_str() {
        "f32" => Tensor::F32(numbers.mapv(|n| n as f32)),
        "i32" => Tensor::I32(numbers.mapv(|n| n as i32)),
        "i64" | "" => Tensor::I64(numbers.mapv(|n| n as i64)),
        "u8" => Tensor::U8(numbers.mapv(|n| n as u8)),
        "bool" => Tensor::Bool(numbers.mapv(|n| n != 0.0)),
        _ => return Err(ungivable(port)),
    })
}

/// The error about an input of elements that no tensor has.
pub(super) fn ungivable(port: &Port) -> Error {
    let Port { name, of, .. } = port;
    let message = format!(
        "the model's input `{name}` has elements of type {of}, which cannot be given; export it for 32-bit floats"
    );
    Error::new(ErrorKind::Model, message)
}
