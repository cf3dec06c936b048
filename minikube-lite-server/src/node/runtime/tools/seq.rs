//! `seq`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(seq, run);

async fn run(process: &mut Process) -> Outcome {
    // Negative numbers are no options.
    let negative =
        |word: &String| word.starts_with('-') && word[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let split = process.args().iter().position(negative).unwrap_or(process.args().len());
    let (options, numbers) = process.args().split_at(split);
    let options = Options::parse(options, "+ws:", &[("equal-width", 'w'), ("separator", 's')])?;
    let words: Vec<&String> = options.operands.iter().chain(numbers).collect();
    let mut values = Vec::with_capacity(3);
    for word in &words {
        match word.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(value),
            _ => return Err(format!("invalid number '{word}'").into()),
        }
    }
    let (first, step, last) = match values.as_slice() {
        [last] => (1.0, 1.0, *last),
        [first, last] => (*first, 1.0, *last),
        [first, step, last] if *step != 0.0 => (*first, *step, *last),
        [] => return Err("missing operand".to_string().into()),
        _ => return Err("invalid number '0'".to_string().into()),
    };
    let decimals = |word: &&String| word.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let precision = words.iter().take(2).map(decimals).max().unwrap_or(0);
    let width = if options.has('w') { words.iter().map(|word| word.len()).max().unwrap_or(0) } else { 0 };
    let separator = options.value('s').unwrap_or("\n");
    let (mut text, mut index) = (String::new(), 0u64);
    loop {
        process.world.budget().spend().await;
        let value = first + index as f64 * step;
        let over = if step > 0.0 { value > last + 1e-9 } else { value < last - 1e-9 };
        if over {
            break;
        }
        if index > 0 {
            text += separator;
        }
        text += &format!("{value:0width$.precision$}");
        index += 1;
        if text.len() > 8192 {
            process.print(std::mem::take(&mut text)).await?;
        }
    }
    if index > 0 {
        text.push('\n');
    }
    process.print(text).await?;
    Ok(0)
}
