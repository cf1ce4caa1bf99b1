// LuaValue.swift: values as Swift sees them.

/// A Lua value in Swift: what chunks are given and return, what registered functions are called with
/// and answer. It is a copy; nothing ties it to the Lua heap it came from.
///
/// Most can be written as literals:
///
/// ```swift
/// let options: LuaValue = ["name": "counter", "limits": [1, 10], "verbose": false]
/// ```
///
/// and parts of a table are read by subscript, `options["limits"][2]`, which is `.nil` where there is
/// nothing.
public indirect enum LuaValue: Sendable {
  /// No value.
  case `nil`
  /// True or false.
  case boolean(Bool)
  /// A number that is an integer: Lua's integers have 64 bits.
  case integer(Int64)
  /// A number that is a float. Lua tells `1` and `1.0` apart, and so do these two cases.
  case number(Double)
  /// A string. Lua's are bytes: those that are UTF-8 come as this case, others as `bytes`.
  case string(String)
  /// A string that is not UTF-8. As an argument or result any bytes will do.
  case bytes([UInt8])
  /// A table as a list of its pairs, in no particular order, up to 100 levels deep, without its
  /// metatable. A key is not `nil` or NaN.
  case table([(key: LuaValue, value: LuaValue)])

  /// A table with these values at 1, 2, ...
  public static func list(_ values: [LuaValue]) -> LuaValue {
    .table(values.enumerated().map { (.integer(Int64($0.offset + 1)), $0.element) })
  }

  /// The value of a key of a table; `.nil` if the table has none, or this is no table.
  ///
  /// - Complexity: O(*n*) in the number of pairs.
  public subscript(key: LuaValue) -> LuaValue {
    guard case .table(let pairs) = self else { return .nil }
    return pairs.first { $0.key == key }?.value ?? .nil
  }

  /// The values of a table at 1, 2, ... up to the first that is `nil`; nothing if this is no table.
  public var elements: [LuaValue] {
    guard case .table(let pairs) = self else { return [] }
    var found: [Int64: LuaValue] = [:]
    for case (.integer(let index), let value) in pairs { found[index] = value }
    var elements: [LuaValue] = []
    while let value = found[Int64(elements.count + 1)], value != .nil { elements.append(value) }
    return elements
  }
}

extension LuaValue: Hashable {
  /// The same kind and the same value. Tables are equal if they have equal pairs, in any order.
  public static func == (a: LuaValue, b: LuaValue) -> Bool {
    switch (a, b) {
    case (.nil, .nil): true
    case (.boolean(let x), .boolean(let y)): x == y
    case (.integer(let x), .integer(let y)): x == y
    case (.number(let x), .number(let y)): x == y
    case (.string(let x), .string(let y)): x == y
    case (.bytes(let x), .bytes(let y)): x == y
    case (.table(let x), .table(let y)): x.count == y.count && dictionary(x) == dictionary(y)
    default: false
    }
  }

  private static func dictionary(
    _ pairs: [(key: LuaValue, value: LuaValue)]
  ) -> [LuaValue: LuaValue] {
    Dictionary(pairs.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
  }

  /// Tables that are equal hash alike, whatever the order of their pairs.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .nil: hasher.combine(0)
    case .boolean(let flag): hasher.combine(flag)
    case .integer(let number): hasher.combine(number)
    case .number(let number): hasher.combine(number)
    case .string(let text): hasher.combine(text)
    case .bytes(let bytes): hasher.combine(bytes)
    case .table(let pairs): hasher.combine(LuaValue.dictionary(pairs))
    }
  }
}

extension LuaValue: CustomStringConvertible {
  /// As Lua would write it: `{1, "two", name = "x"}`.
  public var description: String {
    switch self {
    case .nil: "nil"
    case .boolean(let flag): String(flag)
    case .integer(let number): String(number)
    case .number(let number): String(number)
    case .string(let text): LuaValue.quoted(text.utf8)
    case .bytes(let bytes): LuaValue.quoted(bytes)
    case .table(let pairs): LuaValue.describe(pairs, elements)
    }
  }

  /// The elements in order, then all other pairs, in the order of their texts.
  private static func describe(
    _ pairs: [(key: LuaValue, value: LuaValue)], _ elements: [LuaValue]
  ) -> String {
    let others = pairs.compactMap { key, value -> String? in
      if case .integer(let index) = key, index >= 1, index <= elements.count { return nil }
      if case .string(let name) = key, isName(name) { return name + " = \(value)" }
      return "[\(key)] = \(value)"
    }
    return "{" + (elements.map(\.description) + others.sorted()).joined(separator: ", ") + "}"
  }

  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
    return text.utf8.allSatisfy { byte in
      byte == 95 || (48...57).contains(byte) || (97...122).contains(byte | 32) && byte >= 65
    }
  }

  /// Between quotes, with what is not printable as Lua's escapes.
  private static func quoted(_ bytes: some Collection<UInt8>) -> String {
    let isText = String(validating: bytes, as: UTF8.self) != nil
    var quoted: [UInt8] = []
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): quoted += [UInt8(ascii: "\\"), byte]
      case 10: quoted += Array("\\n".utf8)
      case 0..<32, 127: quoted += escape(byte)
      case 128...: quoted += isText ? [byte] : escape(byte)
      default: quoted.append(byte)
      }
    }
    return "\"" + String(decoding: quoted, as: UTF8.self) + "\""
  }

  private static func escape(_ byte: UInt8) -> [UInt8] {
    let digits = String(byte)
    return Array(("\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits).utf8)
  }
}

extension LuaValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  /// `true`, `false`.
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  /// `42`, an integer.
  public init(integerLiteral value: Int64) { self = .integer(value) }
  /// `4.2`, a float.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// `"text"`.
  public init(stringLiteral value: String) { self = .string(value) }
  /// `[1, "two"]`, as `list(_:)` makes it.
  public init(arrayLiteral elements: LuaValue...) { self = .list(elements) }
  /// `["name": "x", 1: true]`. A pair whose value is `nil` leaves no key in Lua.
  public init(dictionaryLiteral elements: (LuaValue, LuaValue)...) {
    self = .table(elements.map { ($0.0, $0.1) })
  }
}
