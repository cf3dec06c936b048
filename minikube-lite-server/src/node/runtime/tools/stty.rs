//! `stty`, `tty`, `clear`

use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(stty, run);
program!(tty, run_tty);
program!(clear, run_clear);

async fn run(process: &mut Process) -> Outcome {
    let Some(terminal) = process.terminal.clone() else {
        return Err("standard input: Not a tty".to_string().into());
    };
    let (columns, rows) = *terminal.size.borrow();
    match process.args() {
        [] => process.print(format!("speed 38400 baud; rows {rows}; columns {columns};\n")).await?,
        arguments => {
            for argument in arguments {
                match argument.as_str() {
                    "size" => process.print(format!("{rows} {columns}\n")).await?,
                    "-a" => {
                        process.print(format!("speed 38400 baud; rows {rows}; columns {columns}; line = 0;\n")).await?
                    }
                    "raw" => terminal.set_raw(true),
                    "-raw" | "cooked" | "sane" => {
                        terminal.set_raw(false);
                        terminal.set_echo(true);
                    }
                    "echo" => terminal.set_echo(true),
                    "-echo" => terminal.set_echo(false),
                    argument => return Err(format!("invalid argument '{argument}'").into()),
                }
            }
        }
    }
    Ok(0)
}

async fn run_tty(process: &mut Process) -> Outcome {
    let is_terminal = process.terminal.is_some();
    process.print(if is_terminal { "/dev/pts/0\n" } else { "not a tty\n" }).await?;
    Ok(i32::from(!is_terminal))
}

async fn run_clear(process: &mut Process) -> Outcome {
    process.print("\x1b[H\x1b[J").await?;
    Ok(0)
}
