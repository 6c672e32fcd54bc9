//! Why a pickle is refused as a whole: it is not well formed, or it asks for what no snapshot needs.

#[derive(Debug)]
pub struct Refusal {
    pub code: &'static str,
    /// Byte of the artifact at which the refused opcode stands.
    pub offset: u64,
    pub message: String,
}

pub type Step<T> = Result<T, Refusal>;

impl Refusal {
    pub fn bad(offset: u64, message: impl Into<String>) -> Self {
        Refusal { code: "bad-pickle", offset, message: message.into() }
    }

    pub fn hostile(offset: u64, message: impl Into<String>) -> Self {
        Refusal { code: "hostile-pickle", offset, message: message.into() }
    }

    pub fn too_many(offset: u64) -> Self {
        Refusal::bad(offset, "more names or tracebacks than 32 bits can count")
    }
}
