//! Breaking text into lines.

/// Breaks lines before words that would go beyond `limit` characters. Line ends and spaces in the text stay, but for the
/// spaces at a break. A word that is longer than the limit stands alone.
pub fn wrap(text: &str, limit: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| wrap_line(line, limit)).collect();
    lines.join("\n")
}

fn wrap_line(line: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut rest = line;
    while !rest.is_empty() {
        let start = rest.find(|c: char| !is_space(c)).unwrap_or(rest.len());
        let (spaces, after) = rest.split_at(start);
        let (word, after) = after.split_at(after.find(is_space).unwrap_or(after.len()));
        rest = after;
        let (space_count, word_length) = (spaces.chars().count(), word.chars().count());
        if word.is_empty() {
            // The end of the line.
            if length + space_count <= limit {
                out.push_str(spaces);
            }
        } else if length + space_count + word_length.min(limit.saturating_sub(1)) > limit {
            out.push('\n');
            out.push_str(word);
            length = word_length;
        } else {
            out.push_str(spaces);
            out.push_str(word);
            length += space_count + word_length;
        }
    }
    out
}

/// No line is broken at a no-break space.
fn is_space(c: char) -> bool {
    c.is_whitespace() && c != '\u{a0}'
}

/// Fills paragraphs anew, as the older explanations do: lines are joined, unless the next one is empty, is code (four
/// spaces before it), begins a list, or stands after a colon.
pub fn fill(text: &str, limit: usize) -> Vec<String> {
    let mut filled: Vec<String> = Vec::new();
    let mut current: Vec<&str> = Vec::new();
    let mut last_word = "";
    for line in text.split('\n') {
        let is_code = line.starts_with("    ");
        let is_empty = line.trim().is_empty();
        if is_code || is_empty || begins_list(line.trim()) || last_word.ends_with(':') {
            flush(&mut current, &mut filled);
            last_word = "";
        }
        if is_code {
            filled.push(line.to_string());
            continue;
        }
        if is_empty && !filled.is_empty() {
            filled.push(String::new());
            continue;
        }
        for word in line.split_whitespace() {
            let length = current.iter().map(|word| word.len() + 1).sum::<usize>() + word.len();
            if length > limit {
                flush(&mut current, &mut filled);
            }
            current.push(word);
            last_word = word;
        }
    }
    flush(&mut current, &mut filled);
    filled
}

fn flush(words: &mut Vec<&str>, lines: &mut Vec<String>) {
    if !words.is_empty() {
        lines.push(std::mem::take(words).join(" "));
    }
}

/// `- `, `* `, `1. `, `1 `.
fn begins_list(line: &str) -> bool {
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let after = if digits.len() < line.len() {
        digits.strip_prefix('.').unwrap_or(digits)
    } else {
        match line.strip_prefix(['-', '*']) {
            Some(after) => after,
            None => return false,
        }
    };
    after.starts_with(|c: char| c.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_before_words_that_do_not_fit() {
        assert_eq!(wrap("aa bb cc", 5), "aa bb\ncc");
        assert_eq!(wrap("aa  bb\n  cc dd\n", 6), "aa  bb\n  cc\ndd\n");
        assert_eq!(wrap("a toolongword b", 5), "a\ntoolongword\nb");
        assert_eq!(wrap("", 5), "");
    }

    #[test]
    fn paragraphs_are_filled_but_lists_stay() {
        let text = "One two\nthree. More info:\nhttps://x\n\nList\n - a b\n - c\n    code  stays";
        let lines = ["One two three. More", "info:", "https://x", "", "List", "- a b", "- c", "    code  stays"];
        assert_eq!(fill(text, 19), lines);
    }
}
