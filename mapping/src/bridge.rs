//! Columns across the border between arrow-rs and polars, by the Arrow C data interface: buffers are handed
//! over, not copied (text and bytes are views on both sides).

#![allow(unsafe_code)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, NullArray, make_array};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use polars::prelude::{CompatLevel, Series};
use polars_arrow::datatypes::Field;
use polars_arrow::ffi;

use crate::error::Problem;

// Both libraries lay these structs out as the C data interface prescribes (`repr(C)`).
const _: () = assert!(size_of::<FFI_ArrowArray>() == size_of::<ffi::ArrowArray>());
const _: () = assert!(size_of::<FFI_ArrowSchema>() == size_of::<ffi::ArrowSchema>());

/// Hands an Arrow column to polars.
pub(crate) fn to_polars(name: &str, array: &dyn Array) -> Result<Series, Problem> {
    let (array, schema) = to_ffi(&array.to_data())?;
    // SAFETY: both types are the C data interface's own structs, `repr(C)` and of equal size; transmuting moves
    // the only copy, with its release callback, to the new owner. What `to_ffi` exported is valid by contract.
    let imported = unsafe {
        let array: ffi::ArrowArray = std::mem::transmute(array);
        let schema: ffi::ArrowSchema = std::mem::transmute(schema);
        ffi::import_field_from_c(&schema).and_then(|field| ffi::import_array_from_c(array, field.dtype))
    };
    imported.and_then(|array| Series::from_arrow(name.into(), array)).map_err(|e| Problem::new(e.to_string()))
}

/// Takes a column back from polars.
pub(crate) fn from_polars(series: &Series) -> Result<ArrayRef, Problem> {
    if series.dtype().is_null() {
        return Ok(Arc::new(NullArray::new(series.len())));
    }
    let array = series.rechunk().to_arrow(0, CompatLevel::newest());
    let field = Field::new(series.name().clone(), array.dtype().clone(), true);
    let schema = ffi::export_field_to_c(&field);
    let array = ffi::export_array_to_c(array);
    // SAFETY: as above, in the other direction.
    let data = unsafe {
        let array: FFI_ArrowArray = std::mem::transmute(array);
        let schema: FFI_ArrowSchema = std::mem::transmute(schema);
        from_ffi(array, &schema)
    };
    Ok(make_array(data?))
}
