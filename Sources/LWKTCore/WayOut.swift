// WayOut.swift: how to leave a prompt that does not answer.
//
// At a prompt Ctrl-C kills nobody, and while a line is typed it is a key like any other: both need the
// worker that the prompt is on. A hook, a finaliser or C code that never ends keeps that worker for itself,
// and then nothing typed would end the process. So, when the worker has been in the same turn for
// `patience`, the terminal makes a signal of Ctrl-C in the middle of a line too; and when a Ctrl-C has not been
// taken for as long, that is said, and the next one kills. All is as it was once somebody listens again.

import CLWKT

/// The monitor's.
struct WayOut {
  /// Since when a Ctrl-C has not been taken; 0 if none has come.
  private var unheardSince: UInt64 = 0
  private var mayKill = false
  private var keyIsSignal = false

  /// `isUnheard`: a Ctrl-C has come and not been taken; `stuckFor`: for how many nanoseconds the prompt's
  /// worker has been in one turn. At a prompt, each time the monitor looks.
  mutating func look(_ now: UInt64, isUnheard: Bool, stuckFor: UInt64) {
    let isStuck = stuckFor > Monitor.patience
    if isStuck != keyIsSignal {
      keyIsSignal = isStuck
      lwkt_tty_signals(isStuck)
    }
    if !isUnheard { unheardSince = 0 } else if unheardSince == 0 { unheardSince = now }
    let isGivenUp = isUnheard && now - unheardSince > Monitor.patience
    if isGivenUp != mayKill {
      mayKill = isGivenUp
      lwkt_let_interrupt_kill(isGivenUp)
    }
  }
}
