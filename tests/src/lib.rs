//! Whole-product tests live in `tests/tests`. This library is empty.
