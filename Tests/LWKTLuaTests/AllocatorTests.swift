// AllocatorTests.swift: the memory of Lua heaps.

import CLua
import XCTest

final class AllocatorTests: XCTestCase {
  private struct Block {
    var address: UnsafeMutableRawPointer
    var size: Int
    var mark: UInt8
  }

  /// Blocks of all sizes, allocated, resized and freed in any order, keep what is written to them.
  func testBlocksKeepTheirContents() {
    var random = SystemRandomNumberGenerator()
    var heap = lwkt_heap()
    var blocks: [Block] = []
    let sizes = Array(1...300) + [720, 720, 720, 1000, 5000]
    func check(_ block: Block, _ count: Int) {
      let bytes = UnsafeRawBufferPointer(start: block.address, count: count)
      XCTAssert(bytes.allSatisfy { $0 == block.mark })
    }
    for round in 0..<40_000 {
      let mark = UInt8(truncatingIfNeeded: round)
      let size = sizes.randomElement(using: &random)!
      let wanted = round % 20_000 < 10_000 ? 3000 : 30
      if blocks.count < wanted, Bool.random(using: &random) {
        let address = lwkt_allocate(&heap, nil, 0, size)!
        address.initializeMemory(as: UInt8.self, repeating: mark, count: size)
        blocks.append(Block(address: address, size: size, mark: mark))
      } else if let index = blocks.indices.randomElement(using: &random) {
        let block = blocks[index]
        check(block, block.size)
        if blocks.count < wanted {
          let address = lwkt_allocate(&heap, block.address, block.size, size)!
          check(Block(address: address, size: size, mark: block.mark), min(size, block.size))
          address.initializeMemory(as: UInt8.self, repeating: mark, count: size)
          blocks[index] = Block(address: address, size: size, mark: mark)
        } else {
          XCTAssertNil(lwkt_allocate(&heap, block.address, block.size, 0))
          blocks.swapAt(index, blocks.count - 1)
          blocks.removeLast()
        }
      }
    }
    XCTAssertEqual(heap.used, blocks.reduce(0) { $0 + $1.size })
    for block in blocks {
      check(block, block.size)
      XCTAssertNil(lwkt_allocate(&heap, block.address, block.size, 0))
    }
    XCTAssertEqual(heap.used, 0)
    lwkt_heap_dispose(&heap)
  }
}
