//! Whole columns at once: which rows are not the same beyond doubt.

use arrow::array::Array;
use arrow::compute::kernels::cmp::distinct;
use counterfoil_model::Type;

/// Whether Arrow's own null-safe comparison is exact for columns of this type. It compares floats by total order
/// (-0.0 and 0.0 are then suspects, and looked at again) and everything else by its bits.
pub(super) fn applies(kind: Type) -> bool {
    !matches!(kind, Type::Null | Type::Geo)
}

/// The rows in which two columns of the same type are not identical.
pub(super) fn differing_rows(expected: &dyn Array, actual: &dyn Array) -> Vec<usize> {
    match distinct(&expected, &actual) {
        Ok(differs) => differs.values().set_indices().collect(),
        // A type that the kernel doesn't know: every row is looked at.
        Err(_) => (0..expected.len()).collect(),
    }
}
