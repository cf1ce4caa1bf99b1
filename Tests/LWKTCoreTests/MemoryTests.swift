// MemoryTests.swift: spans and blocks.

import CLWKT
import XCTest

@testable import LWKTCore

final class MemoryTests: XCTestCase {
  private func size(_ kind: lwkt_block_kind) -> Int {
    switch kind {
    case LWKT_BLOCK_THREAD: MemoryLayout<LWKTCore.Thread>.size
    case LWKT_BLOCK_PORT: MemoryLayout<LWKTCore.Port>.size
    default: MemoryLayout<LWKTCore.Message>.size
    }
  }

  /// At least `wanted` blocks, one by one.
  private func take(_ kind: lwkt_block_kind, _ wanted: Int) -> [UnsafeMutableRawPointer] {
    var blocks: [UnsafeMutableRawPointer] = []
    while blocks.count < wanted {
      var count = 0
      var next = lwkt_blocks_take(kind, size(kind), &count)
      let before = blocks.count
      while let block = next {
        next = block.load(as: UnsafeMutableRawPointer?.self)
        blocks.append(block)
      }
      XCTAssertEqual(blocks.count - before, count)
    }
    return blocks
  }

  private func give(_ kind: lwkt_block_kind, _ blocks: ArraySlice<UnsafeMutableRawPointer>) {
    var first: UnsafeMutableRawPointer?
    for block in blocks {
      block.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
      first = block
    }
    lwkt_blocks_give(kind, first)
  }

  func testBlocksDoNotOverlap() {
    let blocks = take(LWKT_BLOCK_MESSAGE, 1000)
    let size = size(LWKT_BLOCK_MESSAGE)
    for (index, block) in blocks.enumerated() {
      XCTAssertEqual(UInt(bitPattern: block) & 15, 0)
      block.initializeMemory(as: UInt8.self, repeating: UInt8(index & 255), count: size)
    }
    for (index, block) in blocks.enumerated() {
      let bytes = UnsafeRawBufferPointer(start: block, count: size)
      XCTAssert(bytes.allSatisfy { $0 == UInt8(index & 255) })
    }
    give(LWKT_BLOCK_MESSAGE, blocks[...])
  }

  /// What messages have left is there for threads, once nothing of it is in use.
  func testEmptySpansAreForEveryKind() throws {
    try XCTSkipUnless(lwkt_keeps_blocks(), "under a sanitizer blocks are malloc's")
    let messages = take(LWKT_BLOCK_MESSAGE, 1000).shuffled()
    let spans = Set(messages.map { lwkt_span_of($0) })
    give(LWKT_BLOCK_MESSAGE, messages[500...])
    give(LWKT_BLOCK_MESSAGE, messages[..<500])
    // What earlier tests have left in spans of threads goes first.
    var threads: [UnsafeMutableRawPointer] = []
    while !threads.contains(where: { spans.contains(lwkt_span_of($0)) }), threads.count < 1_000_000
    {
      threads += take(LWKT_BLOCK_THREAD, 900)
    }
    XCTAssertLessThan(threads.count, 1_000_000)
    give(LWKT_BLOCK_THREAD, threads[...])
  }

  /// A span in which one block is in use stays with its kind, and its other blocks are had again.
  func testPartlyUsedSpansAreUsedAgain() throws {
    try XCTSkipUnless(lwkt_keeps_blocks(), "under a sanitizer blocks are malloc's")
    let blocks = take(LWKT_BLOCK_PORT, 100)
    give(LWKT_BLOCK_PORT, blocks.dropFirst())
    let again = take(LWKT_BLOCK_PORT, 20)
    XCTAssert(Set(blocks.dropFirst()).isSuperset(of: again))
    give(LWKT_BLOCK_PORT, again[...])
    give(LWKT_BLOCK_PORT, blocks.prefix(1))
  }
}
