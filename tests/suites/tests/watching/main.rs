//! The directory room on every directory that campuses run: the watch by each of its ways, and the writes.
//!
//! The same tests on all of them, wherever the behaviour is the same.

/// A module for each ground, and in it these tests, each on a ground of its own.
#[cfg(test)]
macro_rules! on_each {
    ($tests:tt $($name:ident: $ground:expr;)*) => { $( $crate::on_each!(@ $name $ground, $tests); )* };
    (@ $name:ident $ground:expr, [$($test:ident),*]) => {
        mod $name {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($ground).await;
                }
            )*
        }
    };
}
#[cfg(test)]
pub(crate) use on_each;

#[cfg(test)]
mod cost;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod mappings;
#[cfg(test)]
mod network;
#[cfg(test)]
mod odd;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tap;
#[cfg(test)]
mod ways;
#[cfg(test)]
mod writes;
