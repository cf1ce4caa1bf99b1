// CopyPath.swift: where in a message the value is that cannot be copied.
//
// Nothing is recorded for this but how each node was found: names and keys are read back from what
// has been written so far. Built only for a refusal.

import LWKTCore

extension Encoder {
  /// The words of a refusal.
  borrowing func describe(_ refusal: CopyRefusal, _ operation: StaticString) -> String {
    let words = "\(operation): cannot send \(refusal.what) at \(path(refusal.link))"
    return refusal.reason.map { words + ": " + $0 } ?? words
  }

  /// From the outermost: an argument or global, the variables on the way from function to function,
  /// and where the last of these functions is.
  private borrowing func path(_ innermost: EncodedLink) -> String {
    var parts: [String] = []
    var steps: [String] = []
    var lastFunction: UInt32 = 0
    var link = innermost
    while true {
      let rest = steps.reversed().joined()
      switch link.kind {
      case .argument, .threadFunction, .global:
        let hasRoot = !rest.isEmpty || (link.kind == .global ? parts.count != 1 : parts.isEmpty)
        if hasRoot { parts.append(root(link, rest)) }
        if parts.count > 5 { parts[2...(parts.count - 3)] = ["..."] }
        let path = parts.reversed().joined(separator: ", ")
        return lastFunction == 0 ? path : "\(path) of \(functionName(lastFunction))"
      case .upvalue:
        parts.append("upvalue '\(upvalueName(link.parent, link.data))\(rest)'")
        steps = []
        if lastFunction == 0 { lastFunction = link.parent }
      case .index:
        steps.append("[\(link.data)]")
      case .key:
        steps.append(keyStep(at: link.data))
      case .asKey:
        steps.append("(key)")
      case .metatable:
        steps.append("(metatable)")
      }
      link = self.link(of: link.parent)
    }
  }

  private borrowing func root(_ link: EncodedLink, _ rest: String) -> String {
    switch link.kind {
    case .global: "global '\(text(rawString(at: link.data)))\(rest)'"
    case .threadFunction: "the thread function\(rest)"
    default: "[\(link.data)]\(rest)"
    }
  }

  private borrowing func link(of node: UInt32) -> EncodedLink {
    scratch.pointee.nodes[Int(node) - 1].link
  }

  private borrowing func written(_ offset: Int) -> UnsafeRawPointer {
    UnsafeRawPointer(scratch.pointee.out.base.unsafelyUnwrapped + offset)
  }

  private borrowing func rawString(at offset: Int) -> UnsafeRawBufferPointer {
    let count = written(offset).loadUnaligned(as: UInt32.self)
    return UnsafeRawBufferPointer(start: written(offset + 4), count: Int(count))
  }

  /// The key written at `offset`, as a step of a path.
  private borrowing func keyStep(at offset: Int) -> String {
    let at = written(offset)
    let tag = at.load(as: UInt8.self)
    switch tag {
    case CopyTag.true: return "[true]"
    case CopyTag.false: return "[false]"
    case CopyTag.null: return "[NULL]"
    case CopyTag.integer: return "[\((at + 1).loadUnaligned(as: Int64.self))]"
    case CopyTag.float: return "[\((at + 1).loadUnaligned(as: Double.self))]"
    case CopyTag.handle: return "[handle]"
    case CopyTag.stringNode:
      let count = (at + 5).loadUnaligned(as: UInt64.self)
      return nameStep(UnsafeRawBufferPointer(start: at + 13, count: Int(count)))
    case CopyTag.node:
      let node = (at + 1).loadUnaligned(as: UInt32.self)
      return nodeStep(node)
    case CopyTag.shortString...(CopyTag.shortString + UInt8(CopyTag.shortLimit)):
      let count = Int(tag - CopyTag.shortString)
      return nameStep(UnsafeRawBufferPointer(start: at + 1, count: count))
    default: return "[_ENV]"
    }
  }

  /// A key that is a node: a string met before, or an object.
  private borrowing func nodeStep(_ node: UInt32) -> String {
    let entry = scratch.pointee.nodes[Int(node) - 1].entry
    guard entry.kind == .string else { return "[object]" }
    let start = written(entry.offset + Payload.bytesStart)
    return nameStep(UnsafeRawBufferPointer(start: start, count: Int(entry.detail)))
  }

  /// `.name` if that is how a script would write it.
  private borrowing func nameStep(_ bytes: UnsafeRawBufferPointer) -> String {
    isIdentifier(bytes) ? ".\(text(bytes))" : "[\"\(text(bytes))\"]"
  }

  private borrowing func upvalueName(_ function: UInt32, _ upvalue: Int) -> String {
    let code = code(of: function)
    let span = code.upvalues[upvalue - 1].name
    return span.count == 0 ? "?" : text(code.bytes(span))
  }

  /// `function 'f' (file.lua:3)`, with the name under which it was found.
  private borrowing func functionName(_ node: UInt32) -> String {
    let position = position(of: code(of: node))
    let link = link(of: node)
    switch link.kind {
    case .threadFunction: return "the thread function (\(position))"
    case .upvalue: return "function '\(upvalueName(link.parent, link.data))' (\(position))"
    case .global: return "function '\(text(rawString(at: link.data)))' (\(position))"
    case .key:
      let step = keyStep(at: link.data)
      return step.first == "."
        ? "function '\(step.dropFirst())' (\(position))" : "function \(step) (\(position))"
    case .argument, .index: return "function [\(link.data)] (\(position))"
    case .asKey, .metatable: return "function (\(position))"
    }
  }

  private borrowing func code(of node: UInt32) -> CodeRef {
    let entry = scratch.pointee.nodes[Int(node) - 1].entry
    return CodeRef(bitPattern: scratch.pointee.objects[Int(entry.detail)]).unsafelyUnwrapped
  }
}

/// `file.lua:3`: where the code's function begins.
private func position(of code: CodeRef) -> String {
  "\(sourceName(of: code)):\(code.notes.pointee.lineDefined)"
}

/// The source of code as Lua's messages show it (`luaO_chunkid`).
func sourceName(of code: CodeRef) -> String {
  guard code.notes.pointee.hasSource else { return "?" }
  let source = text(code.bytes(code.notes.pointee.source), limit: 1 << 12, keepingLines: true)
  let limit = 59
  switch source.first {
  case "=":
    return String(source.dropFirst().prefix(limit))
  case "@":
    let file = source.dropFirst()
    return file.utf8.count <= limit ? String(file) : "..." + file.suffix(limit - 3)
  default:
    let line = source.prefix { $0 != "\n" && $0 != "\r\n" }
    let room = limit - "[string \"...\"]".utf8.count
    if line.count == source.count, source.utf8.count < room { return "[string \"\(source)\"]" }
    return "[string \"\(line.prefix(room))...\"]"
  }
}

/// Would a script write this as a name? Reserved words are taken for names: the path is clear.
private func isIdentifier(_ bytes: UnsafeRawBufferPointer) -> Bool {
  guard let first = bytes.first, !(0x30...0x39).contains(first) else { return false }
  return bytes.allSatisfy { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
    default: false
    }
  }
}

/// Bytes as text for a message: not too long, and on one line unless asked otherwise.
func text(
  _ bytes: UnsafeRawBufferPointer, limit: Int = 60, keepingLines: Bool = false
) -> String {
  let shown = String(decoding: bytes.prefix(limit), as: UTF8.self)
  if keepingLines { return shown }
  let line = String(shown.map { $0.isNewline || $0 == "\0" ? " " : $0 })
  return bytes.count > limit ? line + "..." : line
}
