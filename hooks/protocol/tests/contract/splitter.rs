//! The splitter gives the messages that were sent, however the bytes arrive, and refuses the first that is too long.

use parvis_protocol::limits::MESSAGE_MAX;
use parvis_protocol::wire::{Splitter, WireError};
use proptest::prelude::*;

/// Feeds chunks until there are no more or one is refused.
fn split(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Result<bool, WireError>) {
    let (mut splitter, mut messages) = (Splitter::new(), Vec::new());
    for chunk in chunks {
        let mut rest = *chunk;
        loop {
            match splitter.take(&mut rest) {
                Ok(Some(message)) => messages.push(message.as_bytes().to_vec()),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
        assert!(rest.is_empty(), "nothing is left where there is no message");
    }
    (messages, Ok(splitter.is_within_message()))
}

/// Messages of which some are empty, some ordinary, and some at the limit's edge.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        1 => Just(0_usize),
        8 => 1_usize..300,
        1 => MESSAGE_MAX - 2..MESSAGE_MAX + 3,
    ];
    (length, 1_u8..).prop_map(|(length, byte)| vec![byte; length])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn however_the_bytes_arrive(
        messages in prop::collection::vec(message(), 0..6),
        tail in prop::collection::vec(1_u8.., 0..50),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut stream = messages.join(&0);
        if !messages.is_empty() {
            stream.push(0);
        }
        stream.extend(&tail);

        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let chunks: Vec<&[u8]> = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();

        let (given, end) = split(&chunks);
        let fitting: Vec<_> = messages.iter().take_while(|message| message.len() <= MESSAGE_MAX).cloned().collect();
        prop_assert_eq!(&given, &fitting);
        let expected = if fitting.len() < messages.len() { Err(WireError::TooLong) } else { Ok(!tail.is_empty()) };
        prop_assert_eq!(end, expected);
    }
}

#[test]
fn byte_by_byte_up_to_the_limit() {
    let mut splitter = Splitter::new();
    for _ in 0..MESSAGE_MAX {
        assert_eq!(splitter.take(&mut b"x".as_slice()), Ok(None));
    }
    let (mut nul, mut one_more) = (b"\0rest".as_slice(), b"x".as_slice());
    let mut over = Splitter::new();
    assert_eq!(over.take(&mut vec![b'x'; MESSAGE_MAX].as_slice()), Ok(None));
    assert_eq!(over.take(&mut one_more), Err(WireError::TooLong));
    let message = splitter.take(&mut nul).expect("it fits").expect("it is whole");
    assert_eq!(message.as_bytes().len(), MESSAGE_MAX);
    assert_eq!(nul, b"rest");
}

#[test]
fn nothing_of_a_message_is_shown() {
    let mut splitter = Splitter::new();
    assert_eq!(splitter.take(&mut b"hunter2".as_slice()), Ok(None));
    assert_eq!(format!("{splitter:?}"), "Splitter(7 bytes held)");
    let message = splitter.take(&mut b"\0".as_slice()).expect("it fits").expect("it is whole");
    assert_eq!(format!("{message:?}"), "Message(7 bytes)");
}
