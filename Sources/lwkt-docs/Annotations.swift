// Annotations.swift: library/lwkt.lua, which tells editors (LuaLS) what the `lwkt` module has.

import LWKTLua

/// The classes that signatures name, by what their members' names begin with.
private let classes: [(prefix: String, name: String, annotation: String)] = [
  ("td", "lwkt.Thread", ""),
  ("scope", "lwkt.Scope", ""),
  ("port", "lwkt.Port", "---@operator len: integer\n"),
  ("msg", "lwkt.Message", ""),
  ("tok", "lwkt.Token", ""),
  ("counter", "lwkt.Counter", ""),
  ("tbl", "lwkt.Table", "---@operator len: integer\n"),
  ("array", "lwkt.Array", "---@operator len: integer\n---@field [integer] number\n"),
  ("lwkt", "lwkt", ""),
  ("lwkt.shared", "lwkt.shared", ""),
  ("lwkt.sys", "lwkt.sys", ""),
]

/// Tables of options, by the function whose they are.
private let optionClasses: [(prefix: String, name: String)] = [
  ("lwkt.create", "lwkt.CreateOptions"),
  ("lwkt.port", "lwkt.PortOptions"),
  ("lwkt.shared", "lwkt.SharedOptions"),
]

/// Tables that functions return.
private let recordClasses: [(prefix: String, name: String)] = [
  ("lwkt.threads[]", "lwkt.ThreadInfo"),
  ("lwkt.ports[]", "lwkt.PortInfo"),
  ("lwkt.tokens[]", "lwkt.TokenInfo"),
  ("lwkt.stat[]", "lwkt.Stat"),
  ("lwkt.sys.stat[]", "lwkt.FileStat"),
  ("lwkt.sys.readdir[]", "lwkt.DirectoryEntry"),
]

func annotations() -> String {
  let entries = Help.moduleSubjects.flatMap(\.entries)
  var text = """
    ---@meta lwkt
    -- What the `lwkt` module has, for editors with the Lua language server. Generated: make docs.

    ---@alias lwkt.Handle
    ---| lwkt.Thread
    ---| lwkt.Port
    ---| lwkt.Message
    ---| lwkt.Token
    ---| lwkt.Counter
    ---| lwkt.Table
    ---| lwkt.Array

    """
  for record in recordClasses {
    text += "\n---@class " + record.name + "\n"
    for entry in entries where entry.owner == record.prefix { text += field(entry) }
  }
  for options in optionClasses {
    text += "\n---@class " + options.name + "\n"
    for entry in entries where entry.kind == .option && entry.owner == options.prefix {
      text += field(entry)
    }
  }
  for item in classes { text += section(of: item, entries) }
  return text + "\nreturn lwkt\n"
}

private func section(
  of item: (prefix: String, name: String, annotation: String), _ entries: [HelpEntry]
) -> String {
  var text = "\n"
  if let object = entries.first(where: { "\($0.name)" == item.prefix }) { text += comment(object) }
  text += "---@class " + item.name + "\n" + item.annotation
  let members = entries.filter { $0.owner == item.prefix && $0.kind != .option }
  for entry in members where entry.kind == .field { text += field(entry) }
  // A module's table is what scripts name; a class of handles has a local one.
  let isModule = item.name.hasPrefix(item.prefix)
  text += (isModule ? item.name : "local " + item.prefix) + " = {}\n"
  for entry in members where entry.kind == .function || entry.kind == .method {
    text += "\n" + function(entry)
  }
  if item.name == "lwkt" { text += "\n---@type table<string, integer>\nlwkt.errno = {}\n" }
  return text
}

private func field(_ entry: HelpEntry) -> String {
  let signature = "\(entry.signature)"
  let isOptional = entry.kind == .option || signature.hasSuffix("?")
  let type = signature.hasSuffix("?") ? String(signature.dropLast()) : signature
  return "---@field " + entry.lastName + (isOptional ? "? " : " ") + type + " \(entry.summary)\n"
}

private func comment(_ entry: HelpEntry) -> String {
  var lines = ["\(entry.summary)"]
  if entry.text.utf8CodeUnitCount > 0 {
    lines += [""]
    lines += "\(entry.text)".split(separator: "\n", omittingEmptySubsequences: false).map(
      String.init)
  }
  return lines.map { $0.isEmpty ? "---\n" : "---" + $0 + "\n" }.joined()
}

/// The first signature is declared, the others are overloads of it.
private func function(_ entry: HelpEntry) -> String {
  let signatures = "\(entry.signature)".split(separator: "\n").map { Signature($0) }
  guard let signature = signatures.first else { return "" }
  var text = comment(entry)
  for other in signatures.dropFirst() { text += "---@overload fun" + overload(other, entry) + "\n" }
  if let generic = signature.generic { text += "---@generic " + generic + "\n" }
  for parameter in signature.parameters {
    let mark = parameter.isOptional ? "?" : ""
    text += "---@param " + parameter.name + mark + " " + parameter.type + "\n"
  }
  for (place, result) in signature.results.enumerated() {
    text += "---@return " + returned(result, at: place, of: signature) + "\n"
  }
  if signature.canFail, signature.results.last?.hasSuffix("...") != true {
    // Where there are other results, message and errno take their places.
    for name in ["message", "errno"].dropFirst(max(0, signature.results.count - 1)) {
      text += "---@return " + (name == "errno" ? "integer? " : "string? ") + name + "\n"
    }
  }
  let names = signature.parameters.map(\.name).joined(separator: ", ")
  return text + "function \(entry.name)(" + names + ") end\n"
}

/// `any...` is any number of values. On failure nil is the first result, a string the second.
private func returned(_ type: String, at place: Int, of signature: Signature) -> String {
  if type.hasSuffix("...") { return String(type.dropLast(3)) + " ..." }
  guard signature.canFail else { return type }
  if place > 0 { return type + "|string" }
  return type.hasSuffix("?") ? type : type + "?"
}

private func overload(_ signature: Signature, _ entry: HelpEntry) -> String {
  var parameters = signature.parameters.map {
    $0.name + ($0.isOptional ? "?" : "") + ": " + $0.type
  }
  if entry.kind == .method { parameters.insert("self", at: 0) }
  var results = signature.results.enumerated().map { place, type in
    type.hasSuffix("...") ? "..." : returned(type, at: place, of: signature)
  }
  if signature.canFail, results.count == 1 { results += ["string?", "integer?"] }
  return "(" + parameters.joined(separator: ", ") + ")"
    + (results.isEmpty ? "" : ": " + results.joined(separator: ", "))
}

extension HelpEntry {
  /// `create` of `lwkt.create`; `pri` of `lwkt.create{pri=}`.
  fileprivate var lastName: String {
    let parts = "\(name)".split { ".:{}[]=".contains($0) }
    return String(parts.last ?? "")
  }

  /// `lwkt` of `lwkt.create`; `lwkt.create` of `lwkt.create{pri=}`.
  fileprivate var owner: String {
    let name = "\(name)"
    guard let end = name.lastIndex(where: { ".:{".contains($0) }) else { return "" }
    return String(name[..<end])
  }
}
