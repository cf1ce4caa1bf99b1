// BytecodeFactory.swift: a function that makes closures of received code.
//
// Loading a dump costs microseconds, calling a Lua function tens of nanoseconds. So a received
// function is loaded once, nested in a function made up here:
//
//     function (a1, ..., aN) return function <the received code, a1..aN its upvalues> end end
//
// Calling it makes a closure with fresh variables that hold the arguments.

import Glibc

enum BytecodeFactory {
  /// Parameters live in registers, of which a function has no more than 255.
  static let upvalueLimit = 200

  /// Write the factory of a dumped function, whose `count` upvalue descriptions begin at
  /// `descriptors`. At most `upvalueLimit` upvalues.
  static func write(
    of dump: UnsafeRawBufferPointer, descriptors: Int, upvalues count: Int,
    into out: inout ByteWriter
  ) {
    guard let base = dump.baseAddress else { return }
    let headerCount = BytecodeFormat.header.count
    out.put(base, headerCount)
    out.put(0)  // a main function without upvalues
    out.put(zero)  // no source
    out.put(zero)  // line defined
    out.put(zero)  // last line
    out.put(UInt8(count))  // parameters
    out.put(0)  // no varargs
    out.put(UInt8(count + 2))  // registers
    out.put(zero | 2)  // instructions
    let register = UInt32(count) << 7
    out.put(value: BytecodeFormat.closure | register)
    // One result (2 = n + 1); bit 15 closes the parameters that became upvalues.
    out.put(value: BytecodeFormat.returning | register | (count > 0 ? 1 << 15 : 0) | 2 << 16)
    out.put(zero)  // constants
    out.put(zero)  // upvalues
    out.put(zero | 1)  // functions
    let function = headerCount + 1
    let shift = out.count - function
    out.put(base + function, dump.count - function)
    for index in 0..<count {
      let at = (out.base.unsafelyUnwrapped + (descriptors + shift + index * 3))
      at.storeBytes(of: 1, as: UInt8.self)  // in the factory's stack frame
      (at + 1).storeBytes(of: UInt8(index), as: UInt8.self)
    }
    out.put(zero)  // lines
    out.put(zero)  // absolute lines
    out.put(zero)  // locals
    out.put(zero)  // upvalue names
  }

  /// A number below 128 as the format has it.
  private static let zero: UInt8 = 0x80
}
