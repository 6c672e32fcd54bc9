//! Diagnosis: rules testify about cases, one place weighs, advice follows from the cause.
