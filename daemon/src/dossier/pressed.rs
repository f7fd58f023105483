//! A record's bytes: its JSON, pressed with a dictionary of what all records have in common.
//!
//! Every step writes the whole record, and sled writes each byte of it several times: a quarter of the bytes is a
//! quarter of that. The dictionary belongs to the format: another one needs another first byte.

use std::borrow::Cow;

use lz4_flex::block::{compress_with_dict, decompress_into_with_dict};

/// The first byte of a pressed record: LZ4 blocks with the dictionary below. JSON's own is `{`.
const PRESSED: u8 = 1;
/// Believable records; none of it is anybody's. It must never change.
const DICTIONARY: &[u8] = include_bytes!("dictionary.txt");
/// No record is longer, in bytes.
const LONGEST: usize = 256 * 1024;

/// The bytes to store: the first, the length of the JSON (32 bits, big endian), the block.
pub fn press(json: &[u8]) -> Vec<u8> {
    let Ok(length) = u32::try_from(json.len()) else { return json.to_vec() };
    let block = compress_with_dict(json, DICTIONARY);
    let mut record = Vec::with_capacity(block.len() + 5);
    record.push(PRESSED);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&block);
    record
}

/// The JSON of stored bytes, pressed or not.
pub fn unpress(record: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let Some((length, block)) = record.strip_prefix(&[PRESSED]).and_then(<[u8]>::split_first_chunk) else {
        return Ok(Cow::Borrowed(record));
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(format!("it says that it is {length} bytes long"));
    }
    let mut json = vec![0; length];
    match decompress_into_with_dict(block, &mut json, DICTIONARY) {
        Ok(found) if found == length => Ok(Cow::Owned(json)),
        Ok(found) => Err(format!("it is {found} bytes long and says {length}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_dictionary_is_the_one_that_records_were_written_with() {
        let digest = crate::config::hex(&Sha256::digest(DICTIONARY));
        assert_eq!(digest, "8de6e1230955894a5aea57e23158ab3d61d32742b968fc3981e810d6c77bfeae");
    }

    #[test]
    fn what_is_pressed_comes_back_and_is_a_third_of_it_or_less() {
        let json =
            String::from_utf8_lossy(DICTIONARY).replace("jeanne", "amélie").replace("09-01T12", "10-17T09");
        for text in [json.as_str(), "", "{", &"x".repeat(LONGEST)] {
            assert_eq!(unpress(&press(text.as_bytes())).unwrap(), text.as_bytes());
        }
        assert!(press(json.as_bytes()).len() < json.len() / 3);
        assert_eq!(unpress(b"{}").unwrap(), &b"{}"[..], "a record that was never pressed");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_give_too_much(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            bytes.insert(0, PRESSED);
            if let Ok(json) = unpress(&bytes) {
                proptest::prop_assert!(json.len() <= LONGEST);
            }
        }
    }
}
