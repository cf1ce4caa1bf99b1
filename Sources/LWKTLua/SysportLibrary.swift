// SysportLibrary.swift: system calls as scripts see them.

import CLua
import LWKTCore

/// How a system call was asked for.
enum SysportForm {
  case send, sendmsg, domsg, sendmsgTo
}

func sysportSend(_ L: LuaState, _ form: SysportForm) -> Int32 { raise(L, "no sysport") }
func pushSystemCallResult(_ L: LuaState, _ call: SystemCallRef) -> Int32 { 0 }
