// CopyDecodeModule.swift: finding what a payload says is part of a module.

import CLua
import LWKTCore

extension Decoder {
  /// Push the table or function that the record at `record` names: `.values`, or what keeps it from
  /// being found. Lua API that allocates: what `ModulePartReader` uses.
  func pushModulePart(_ record: UnsafePointer<UInt8>) -> DecodeResult {
    var reader = ModulePartReader(L, state, UnsafeRawPointer(record) + 5)
    return reader.push()
  }

  /// Pass over the record at the cursor, behind its tag.
  mutating func skipModulePart() {
    cursor += 5
    _ = rawString()
    while true {
      switch read(UInt8.self) {
      case CopyTag.nameStep: _ = rawString()
      case CopyTag.indexStep: cursor += 8
      case CopyTag.metatableStep: break
      case CopyTag.upvalueStep: cursor += 1
      default: return
      }
    }
  }

  /// Bytes behind their number.
  private mutating func rawString() -> UnsafeRawBufferPointer {
    let count = Int(read(UInt32.self))
    let string = UnsafeRawBufferPointer(start: cursor, count: count)
    cursor += count
    return string
  }

  /// Push a raw string. Lua API that allocates: `lua_pushlstring`.
  mutating func pushRawString() { pushBytes(L, rawString()) }
}
