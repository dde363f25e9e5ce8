// Looking for the next interesting byte of a line: plain, with AVX2, with AVX-512. The three agree on every input
// (tested); `fast` names the best one this build may use.
//
// All read whole vectors, up to 64 bytes beyond `end`: lines lie in an arena, which has that padding. What is read
// there never counts. Each returns `end` when there is no such byte.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "l7/http/chars.h"

namespace penstock::h1::scan {

namespace plain {

inline const char* find_lf(const char* p, const char* end) {
  while (p < end && *p != '\n') ++p;
  return p;
}

// The first byte that a field value may not hold: controls but HTAB.
inline const char* find_control(const char* p, const char* end) {
  while (p < end && http::is(*p, http::kFieldValue)) ++p;
  return p;
}

// The first byte that is no token character; capital letters before it become small ones.
inline char* lower_token(char* p, const char* end) {
  for (; p < end && http::is(*p, http::kToken); ++p) *p = http::lower(*p);
  return p;
}

}  // namespace plain

#if defined(__AVX2__)
namespace avx2 {

inline __m256i load(const char* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline uint32_t mask_of(__m256i lanes) { return static_cast<uint32_t>(_mm256_movemask_epi8(lanes)); }

template <typename MaskOf>
inline const char* find(const char* p, const char* end, MaskOf mask_at) {
  for (; p < end; p += 32) {
    const uint32_t mask = mask_at(load(p));
    if (mask == 0) continue;
    p += std::countr_zero(mask);
    return p < end ? p : end;
  }
  return end;
}

inline const char* find_lf(const char* p, const char* end) {
  const __m256i lf = _mm256_set1_epi8('\n');
  return find(p, end, [lf](__m256i v) { return mask_of(_mm256_cmpeq_epi8(v, lf)); });
}

inline const char* find_control(const char* p, const char* end) {
  const __m256i last_control = _mm256_set1_epi8(0x1f), tab = _mm256_set1_epi8('\t'), del = _mm256_set1_epi8(0x7f);
  return find(p, end, [=](__m256i v) {
    const __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, last_control), v);
    return mask_of(_mm256_or_si256(_mm256_andnot_si256(_mm256_cmpeq_epi8(v, tab), low), _mm256_cmpeq_epi8(v, del)));
  });
}

}  // namespace avx2
#endif

// Token characters by two look-ups: the row of a byte's low four bits holds one bit for each of the eight ASCII
// columns.
constexpr std::array<uint8_t, 16> make_token_rows() {
  std::array<uint8_t, 16> rows{};
  for (unsigned byte = 0; byte < 128; ++byte)
    if (http::is(static_cast<char>(byte), http::kToken)) rows[byte & 15] |= static_cast<uint8_t>(1u << (byte >> 4));
  return rows;
}
alignas(16) inline constexpr std::array<uint8_t, 16> kTokenRows = make_token_rows();
alignas(16) inline constexpr std::array<uint8_t, 16> kColumnBits{1, 2, 4, 8, 16, 32, 64, 128};  // none beyond ASCII

#if defined(__AVX2__)
namespace avx2 {

inline uint32_t non_tokens(__m256i v) {
  const __m256i rows = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kTokenRows.data())));
  const __m256i bits =
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kColumnBits.data())));
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i row = _mm256_shuffle_epi8(rows, _mm256_and_si256(v, nibble));
  const __m256i bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
  return mask_of(_mm256_cmpeq_epi8(_mm256_and_si256(row, bit), _mm256_setzero_si256()));
}

inline char* lower_token(char* p, const char* end) {
  char* stop = const_cast<char*>(find(p, end, non_tokens));
  for (; p < stop; ++p) *p = http::lower(*p);
  return stop;
}

}  // namespace avx2
#endif

#if defined(__AVX512BW__) && defined(__AVX512VL__)
namespace avx512 {

inline __m512i load(const char* p) { return _mm512_loadu_si512(p); }

template <typename MaskOf>
inline const char* find(const char* p, const char* end, MaskOf mask_at) {
  for (; p < end; p += 64) {
    const uint64_t mask = mask_at(load(p));
    if (mask == 0) continue;
    p += std::countr_zero(mask);
    return p < end ? p : end;
  }
  return end;
}

inline const char* find_lf(const char* p, const char* end) {
  return find(p, end, [](__m512i v) { return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n')); });
}

inline const char* find_control(const char* p, const char* end) {
  return find(p, end, [](__m512i v) {
    const uint64_t low = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
    return (low & ~_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\t'))) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(0x7f));
  });
}

inline char* lower_token(char* p, const char* end) {
  const __m512i rows = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kTokenRows.data())));
  const __m512i bits = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kColumnBits.data())));
  const __m512i nibble = _mm512_set1_epi8(15);
  for (; p < end; p += 64) {
    const __m512i v = load(p);
    const __m512i row = _mm512_shuffle_epi8(rows, _mm512_and_si512(v, nibble));
    const __m512i bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble));
    const ptrdiff_t left = end - p;
    const uint64_t inside = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
    const uint64_t stop = _mm512_testn_epi8_mask(row, bit) | ~inside;
    const uint64_t before = stop ? (stop & -stop) - 1 : ~uint64_t{0};
    const uint64_t capital =
        before & _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('A')), _mm512_set1_epi8('Z' - 'A' + 1));
    if (capital) _mm512_mask_storeu_epi8(p, capital, _mm512_or_si512(v, _mm512_set1_epi8(0x20)));
    if (stop) return p + std::countr_zero(stop);
  }
  return const_cast<char*>(end);
}

}  // namespace avx512
namespace fast = avx512;
#elif defined(__AVX2__)
namespace fast = avx2;
#else
namespace fast = plain;
#endif

}  // namespace penstock::h1::scan
