//! Rust text with comments and literals blanked out, so that rules look at code only.
//!
//! A small scanner, not a parser: it keeps every line break, so that places stay true.

/// Blanks comments, strings and character literals with spaces.
pub fn code_only(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let skipped = skipped_len(rest, at.checked_sub(1).map(|before| characters[before]));
        if skipped == 0 {
            code.push(rest[0]);
            at += 1;
            continue;
        }
        for character in &rest[..skipped.min(rest.len())] {
            code.push(if *character == '\n' { '\n' } else { ' ' });
        }
        at += skipped;
    }
    code
}

/// How long the comment or literal at the start of `rest` is; 0 when code is there.
fn skipped_len(rest: &[char], before: Option<char>) -> usize {
    let next = rest.get(1).copied();
    match rest[0] {
        '/' if next == Some('/') => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        '/' if next == Some('*') => block_comment_len(rest),
        '"' => string_len(rest),
        'r' if !before.is_some_and(is_word) || before == Some('b') => raw_string_len(rest),
        '\'' => character_len(rest),
        _ => 0,
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn block_comment_len(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth = depth.saturating_sub(1);
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string_len(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string_len(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0; // A name that begins with r, or a raw name such as r#type.
    }
    let mut at = 2 + hashes;
    while at < rest.len() {
        let closes =
            rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    rest.len()
}

/// A character literal; a lifetime is code.
fn character_len(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), _) => {
            let close = rest.iter().skip(3).position(|c| *c == '\'');
            close.map_or(rest.len(), |at| at + 4)
        }
        (Some(_), Some('\'')) => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::code_only;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text =
            "a // x {\nb /* { /* { */ } */ c\n\"{\\\"{\" r#\"{\"{\"# 'x' '\\'' '{' d<'e> b\"{\" br\"{\" f";
        let code = code_only(text);
        assert_eq!(code.lines().count(), 3);
        assert!(!code.contains('{'), "{code}");
        for word in ["a", "b", "c", "d<'e>", "f"] {
            assert!(code.contains(word), "{word} in {code}");
        }
    }

    #[test]
    fn a_name_that_begins_with_r_is_code() {
        assert_eq!(code_only("for row in r#type {}"), "for row in r#type {}");
    }
}
