//! The one place that draws random numbers, from the kernel.

use parvis_enrolment::Id;

/// Fills the buffer with random bytes.
#[expect(clippy::disallowed_methods, reason = "this is the place that everybody else asks")]
pub fn fill(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the kernel's random numbers cannot fail once the machine has booted");
}

/// A random identifier.
pub fn id() -> Id {
    let [id] = ids();
    id
}

/// So many random identifiers, drawn at once.
pub fn ids<const COUNT: usize>() -> [Id; COUNT] {
    let mut bytes = [[0; 16]; COUNT];
    fill(bytes.as_flattened_mut());
    bytes.map(Id)
}
