// Request.swift: the command line, taken apart.
//
// Short options are the standalone interpreter's and are read as it reads them: each in an argument
// of its own, `-e` and `-l` with what follows glued or in the next argument. Long ones are ours.

import Glibc
import LWKTCore
import LWKTLua

/// What the command line says.
struct Request {
  var parts: [LuaProgram.Part] = []
  var settings = LuaProgram.Settings()
  var sysport = SysportOptions()
  /// Where events are to be written.
  var trace: LuaProgram.Text?
  /// Nil: as many as there are cpus.
  var workers: Int?
  let arguments: [LuaProgram.Text]
  /// Where the script's name stands in `arguments`; the program's own name if there is none.
  private(set) var zero = 0
  var isInteractive = false
  /// Lua's, as `lua -v` does.
  var showsLuaVersion = false
  /// Ours, and no more than that.
  var showsVersion = false
  var showsHelp = false
  var showsStatistics = false
  private var hasStatement = false

  /// Is nothing asked for but what comes from the standard input?
  var isEmpty: Bool { zero == 0 && !hasStatement && !showsLuaVersion }

  init(_ arguments: [LuaProgram.Text]) throws(BadUsage) {
    self.arguments = arguments
    var index = 1
    var optionsHaveEnded = false
    while index < arguments.count, !optionsHaveEnded, arguments[index][0] == Request.dash,
      arguments[index][1] != 0
    {
      let argument = arguments[index]
      if argument[1] != Request.dash {
        try takeShort(&index)
      } else if argument[2] != 0 {
        try takeLong(&index)
      } else {
        optionsHaveEnded = true
      }
      index += 1
    }
    guard index < arguments.count else { return }
    zero = index
    // `-` is the standard input, but the name of a file after `--`.
    let name = arguments[index]
    let isDash = !optionsHaveEnded && name[0] == Request.dash && name[1] == 0
    parts.append(.script(isDash ? nil : name))
  }

  // MARK: Short options

  static let at = CChar(bitPattern: UInt8(ascii: "@"))
  private static let dash = CChar(bitPattern: UInt8(ascii: "-"))

  private mutating func takeShort(_ index: inout Int) throws(BadUsage) {
    let argument = arguments[index]
    let letter = UInt8(bitPattern: argument[1])
    switch letter {
    case UInt8(ascii: "e"), UInt8(ascii: "l"):
      var text = argument + 2
      if text[0] == 0 {
        index += 1
        guard index < arguments.count, arguments[index][0] != Request.dash else {
          throw BadUsage("'" + String(cString: argument) + "' needs argument")
        }
        text = arguments[index]
      }
      if letter == UInt8(ascii: "e") {
        hasStatement = true
        parts.append(.chunk(text, name: commandLineName))
      } else {
        parts.append(.library(text))
      }
      return
    case _ where argument[2] != 0: break
    case UInt8(ascii: "E"): return settings.ignoresEnvironment = true
    case UInt8(ascii: "W"): return parts.append(.warnings)
    case UInt8(ascii: "v"): return showsLuaVersion = true
    case UInt8(ascii: "i"): return isInteractive = true
    default: break
    }
    throw BadUsage("unrecognized option '" + String(cString: argument) + "'")
  }

  private var commandLineName: LuaProgram.Text {
    let name: StaticString = "=(command line)"
    return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  // MARK: Long options

  private mutating func takeLong(_ index: inout Int) throws(BadUsage) {
    let argument = String(cString: arguments[index])
    let halves = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(halves[0])
    let given = halves.count == 2 ? String(halves[1]) : nil
    switch name {
    case "--workers":
      workers = try number(value(of: name, given, &index, wanted: Request.workersWanted))
    case "--sysport":
      sysport.engine = try engine(value(of: name, given, &index, wanted: Request.enginesWanted))
    case "--trace":
      // A name is bytes, whatever they are: it is not made a string of.
      if given != nil {
        trace = UnsafePointer(strchr(arguments[index], Int32(UInt8(ascii: "="))) + 1)
      } else {
        _ = try value(of: name, nil, &index, wanted: Request.traceWanted)
        trace = arguments[index]
      }
      if trace?.pointee == 0 { throw BadUsage("'--trace' needs " + Request.traceWanted) }
    case "--stat", "--no-bytecode", "--help", "--version":
      if given != nil { throw BadUsage("'" + name + "' takes no value: '" + argument + "'") }
      switch name {
      case "--stat": showsStatistics = true
      case "--no-bytecode": settings.refusesBytecode = true
      case "--help": showsHelp = true
      default: showsVersion = true
      }
    default: throw BadUsage("unrecognized option '" + argument + "'")
    }
  }

  private func value(
    of name: String, _ given: String?, _ index: inout Int, wanted: String
  ) throws(BadUsage) -> String {
    if let given { return given }
    index += 1
    guard index < arguments.count else { throw BadUsage("'" + name + "' needs " + wanted) }
    return String(cString: arguments[index])
  }

  private static let traceWanted = "the name of a file"
  private static let workersWanted = "a number, 1 to 256"

  private func number(_ text: String) throws(BadUsage) -> Int {
    guard let number = Int(text), (1...256).contains(number) else {
      throw BadUsage("'--workers' needs " + Request.workersWanted + ", got '" + text + "'")
    }
    return number
  }

  private static var enginesWanted: String {
    SysportOptions.Engine.allCases.map { "'" + $0.rawValue + "'" }.joined(separator: " or ")
  }

  private func engine(_ text: String) throws(BadUsage) -> SysportOptions.Engine {
    guard let engine = SysportOptions.Engine(rawValue: text) else {
      throw BadUsage("'--sysport' needs " + Request.enginesWanted + ", got '" + text + "'")
    }
    return engine
  }
}

/// Why a command line cannot be followed.
struct BadUsage: Error {
  let text: String
  init(_ text: String) { self.text = text }
}
