// The instruction table. Rows follow Intel's manual; families that differ only in prefix, W and
// element size are written once, as a macro per family (inst_vocabulary.hpp).
#include "x86/inst_table.hpp"

#include "x86/inst_vocabulary.hpp"

namespace loopnest::x86 {
namespace {

// --- Rows: all forms of one mnemonic are neighbours, the preferred one first ----------------

constexpr Form forms[] = {
    // Moves and broadcasts
    row(Op::vmovups, VE, sAll, NP, M0F, W0, 0x10, "RM", "V VM", full),
    row(Op::vmovups, VE, sAll, NP, M0F, W0, 0x11, "MR", "M V", full),
    row(Op::vmovupd, VE, sAll, P66, M0F, WE, 0x10, "RM", "V VM", full),
    row(Op::vmovupd, VE, sAll, P66, M0F, WE, 0x11, "MR", "M V", full),
    row(Op::vmovaps, VE, sAll, NP, M0F, W0, 0x28, "RM", "V VM", full),
    row(Op::vmovaps, VE, sAll, NP, M0F, W0, 0x29, "MR", "M V", full),
    row(Op::vmovapd, VE, sAll, P66, M0F, WE, 0x28, "RM", "V VM", full),
    row(Op::vmovapd, VE, sAll, P66, M0F, WE, 0x29, "MR", "M V", full),
    row(Op::vmovss, VE, s128, PF3, M0F, W0, 0x10, "RM", "X M", b4),
    row(Op::vmovss, VE, s128, PF3, M0F, W0, 0x11, "MR", "M X", b4),
    row(Op::vmovss, VE, s128, PF3, M0F, W0, 0x10, "RVM", "X X X"),
    row(Op::vmovsd, VE, s128, PF2, M0F, WE, 0x10, "RM", "X M", b8),
    row(Op::vmovsd, VE, s128, PF2, M0F, WE, 0x11, "MR", "M X", b8),
    row(Op::vmovsd, VE, s128, PF2, M0F, WE, 0x10, "RVM", "X X X"),
    row(Op::vmovd, VE, s128, P66, M0F, W0, 0x6E, "RM", "X R32M", plain4),
    row(Op::vmovd, VE, s128, P66, M0F, W0, 0x7E, "MR", "R32M X", plain4),
    row(Op::vmovq, VE, s128, P66, M0F, W1, 0x6E, "RM", "X R64", plain),
    row(Op::vmovq, VE, s128, P66, M0F, W1, 0x7E, "MR", "R64 X", plain),
    row(Op::vmovq, VE, s128, PF3, M0F, WE, 0x7E, "RM", "X XM", plain8),
    row(Op::vmovq, VE, s128, P66, M0F, WE, 0xD6, "MR", "M X", plain8),
    row(Op::vmovdqu, V, sVex, PF3, M0F, W0, 0x6F, "RM", "V VM", full),
    row(Op::vmovdqu, V, sVex, PF3, M0F, W0, 0x7F, "MR", "M V", full),
    row(Op::vmovdqu32, E, sAll, PF3, M0F, W0, 0x6F, "RM", "V VM", full),
    row(Op::vmovdqu32, E, sAll, PF3, M0F, W0, 0x7F, "MR", "M V", full),
    row(Op::vmovdqu64, E, sAll, PF3, M0F, W1, 0x6F, "RM", "V VM", full),
    row(Op::vmovdqu64, E, sAll, PF3, M0F, W1, 0x7F, "MR", "M V", full),
    row(Op::vmovntps, VE, sAll, NP, M0F, W0, 0x2B, "MR", "M V", plain_full),
    row(Op::vmovntpd, VE, sAll, P66, M0F, WE, 0x2B, "MR", "M V", plain_full),
    row(Op::vbroadcastss, VE, sAll, P66, M38, W0, 0x18, "RM", "V XM", b4),
    row(Op::vbroadcastsd, VE, sWide, P66, M38, WE, 0x19, "RM", "V XM", b8),
    row(Op::vbroadcastf128, V, s256, P66, M38, W0, 0x1A, "RM", "V M", b16),
    row(Op::vpbroadcastd, VE, sAll, P66, M38, W0, 0x58, "RM", "V XM", b4),
    row(Op::vpbroadcastd, E, sAll, P66, M38, W0, 0x7C, "RM", "V R32"),
    row(Op::vpbroadcastq, VE, sAll, P66, M38, WE, 0x59, "RM", "V XM", b8),
    row(Op::vpbroadcastq, E, sAll, P66, M38, W1, 0x7C, "RM", "V R64"),
    row(Op::vmovhlps, VE, s128, NP, M0F, W0, 0x12, "RVM", "X X X", plain),
    row(Op::vmovlhps, VE, s128, NP, M0F, W0, 0x16, "RVM", "X X X", plain),
    row(Op::vmovhpd, VE, s128, P66, M0F, WE, 0x16, "RVM", "X X M", plain8),
    row(Op::vmovhpd, VE, s128, P66, M0F, WE, 0x17, "MR", "M X", plain8),
    row(Op::vmovddup, VE, sAll, PF2, M0F, WE, 0x12, "RM", "V VM", {Bytes::dup}),
    row(Op::vmovshdup, VE, sAll, PF3, M0F, W0, 0x16, "RM", "V VM", full),
    row(Op::vmovsldup, VE, sAll, PF3, M0F, W0, 0x12, "RM", "V VM", full),
    row(Op::vmovmskps, V, sVex, NP, M0F, W0, 0x50, "RM", "R32 V"),
    row(Op::vmovmskpd, V, sVex, P66, M0F, W0, 0x50, "RM", "R32 V"),
    row(Op::vmaskmovps, V, sVex, P66, M38, W0, 0x2C, "RVM", "V V M", full),
    row(Op::vmaskmovps, V, sVex, P66, M38, W0, 0x2E, "MVR", "M V V", full),
    row(Op::vmaskmovpd, V, sVex, P66, M38, W0, 0x2D, "RVM", "V V M", full),
    row(Op::vmaskmovpd, V, sVex, P66, M38, W0, 0x2F, "MVR", "M V V", full),
    row(Op::vpmaskmovd, V, sVex, P66, M38, W0, 0x8C, "RVM", "V V M", full),
    row(Op::vpmaskmovd, V, sVex, P66, M38, W0, 0x8E, "MVR", "M V V", full),
    row(Op::vpmaskmovq, V, sVex, P66, M38, W1, 0x8C, "RVM", "V V M", full),
    row(Op::vpmaskmovq, V, sVex, P66, M38, W1, 0x8E, "MVR", "M V V", full),

    // Floating-point arithmetic
    ARITHMETIC(vadd, 0x58)
    ARITHMETIC(vmul, 0x59)
    ARITHMETIC(vsub, 0x5C)
    ARITHMETIC(vmin, 0x5D)
    ARITHMETIC(vdiv, 0x5E)
    ARITHMETIC(vmax, 0x5F)
    PACKED(vsqrtps, vsqrtpd, 0x51, "RM", "V VM")
    SCALAR(vsqrtss, vsqrtsd, 0x51)
    row(Op::vhaddps, V, sVex, PF2, M0F, W0, 0x7C, "RVM", "V V VM", full),
    row(Op::vhaddpd, V, sVex, P66, M0F, W0, 0x7C, "RVM", "V V VM", full),
    FMA_ORDERS(vfmadd, 0x98)
    FMA_ORDERS(vfmsub, 0x9A)
    FMA_ORDERS(vfnmadd, 0x9C)
    FMA_ORDERS(vfnmsub, 0x9E)
    row(Op::vroundps, V, sVex, P66, M3A, W0, 0x08, "RMI", "V VM I8", full),
    row(Op::vroundpd, V, sVex, P66, M3A, W0, 0x09, "RMI", "V VM I8", full),
    row(Op::vroundss, V, s128, P66, M3A, W0, 0x0A, "RVMI", "X X XM I8", b4),
    row(Op::vroundsd, V, s128, P66, M3A, W0, 0x0B, "RVMI", "X X XM I8", b8),
    row(Op::vrndscaleps, E, sAll, P66, M3A, W0, 0x08, "RMI", "V VM I8", full4),
    row(Op::vrndscalepd, E, sAll, P66, M3A, W1, 0x09, "RMI", "V VM I8", full8),
    row(Op::vrndscaless, E, s128, P66, M3A, W0, 0x0A, "RVMI", "X X XM I8", b4),
    row(Op::vrndscalesd, E, s128, P66, M3A, W1, 0x0B, "RVMI", "X X XM I8", b8),
    EVEX_DQ(vscalefps, vscalefpd, M38, 0x2C, "RVM", "V V VM")
    EVEX_DQ(vgetexpps, vgetexppd, M38, 0x42, "RM", "V VM")
    EVEX_DQ(vgetmantps, vgetmantpd, M3A, 0x26, "RMI", "V VM I8")

    // Bitwise
    PACKED(vandps, vandpd, 0x54, "RVM", "V V VM")
    PACKED(vandnps, vandnpd, 0x55, "RVM", "V V VM")
    PACKED(vorps, vorpd, 0x56, "RVM", "V V VM")
    PACKED(vxorps, vxorpd, 0x57, "RVM", "V V VM")
    VEX_INTEGER(vpand, M0F, 0xDB)
    VEX_INTEGER(vpandn, M0F, 0xDF)
    VEX_INTEGER(vpor, M0F, 0xEB)
    VEX_INTEGER(vpxor, M0F, 0xEF)
    EVEX_DQ(vpandd, vpandq, M0F, 0xDB, "RVM", "V V VM")
    EVEX_DQ(vpandnd, vpandnq, M0F, 0xDF, "RVM", "V V VM")
    EVEX_DQ(vpord, vporq, M0F, 0xEB, "RVM", "V V VM")
    EVEX_DQ(vpxord, vpxorq, M0F, 0xEF, "RVM", "V V VM")
    EVEX_DQ(vpternlogd, vpternlogq, M3A, 0x25, "RVMI", "V V VM I8")

    // Integer arithmetic
    INTEGER4(vpaddd, M0F, 0xFE)
    INTEGER8(vpaddq, M0F, 0xD4)
    INTEGER4(vpsubd, M0F, 0xFA)
    INTEGER8(vpsubq, M0F, 0xFB)
    INTEGER4(vpmulld, M38, 0x40)
    row(Op::vpmullq, E, sAll, P66, M38, W1, 0x40, "RVM", "V V VM", full8),
    INTEGER8(vpmuludq, M0F, 0xF4)
    INTEGER8(vpmuldq, M38, 0x28)
    INTEGER4(vpminsd, M38, 0x39)
    row(Op::vpminsq, E, sAll, P66, M38, W1, 0x39, "RVM", "V V VM", full8),
    INTEGER4(vpmaxsd, M38, 0x3D)
    row(Op::vpmaxsq, E, sAll, P66, M38, W1, 0x3D, "RVM", "V V VM", full8),
    row(Op::vpabsd, VE, sAll, P66, M38, W0, 0x1E, "RM", "V VM", full4),
    row(Op::vpabsq, E, sAll, P66, M38, W1, 0x1F, "RM", "V VM", full8),
    SHIFT(vpslld, VE, W0, 0x72, 6, full4)
    SHIFT(vpsllq, VE, WE, 0x73, 6, full8)
    SHIFT(vpsrld, VE, W0, 0x72, 2, full4)
    SHIFT(vpsrlq, VE, WE, 0x73, 2, full8)
    SHIFT(vpsrad, VE, W0, 0x72, 4, full4)
    SHIFT(vpsraq, E, W1, 0x72, 4, full8)
    INTEGER4(vpsllvd, M38, 0x47)
    row(Op::vpsllvq, VE, sAll, P66, M38, W1, 0x47, "RVM", "V V VM", full8),
    INTEGER4(vpsrlvd, M38, 0x45)
    row(Op::vpsrlvq, VE, sAll, P66, M38, W1, 0x45, "RVM", "V V VM", full8),
    INTEGER4(vpsravd, M38, 0x46)
    row(Op::vpsravq, E, sAll, P66, M38, W1, 0x46, "RVM", "V V VM", full8),

    // Compare, blend
    COMPARE_INTEGER(vpcmpeqd, M0F, W0, 0x76, full4)
    COMPARE_INTEGER(vpcmpeqq, M38, W1, 0x29, full8)
    COMPARE_INTEGER(vpcmpgtd, M0F, W0, 0x66, full4)
    COMPARE_INTEGER(vpcmpgtq, M38, W1, 0x37, full8)
    EVEX_DQ(vpcmpd, vpcmpq, M3A, 0x1F, "RVMI", "K V VM I8")
    EVEX_DQ(vptestmd, vptestmq, M38, 0x27, "RVM", "K V VM")
    COMPARE_FLOAT(vcmpps, NP, W0, "V", "VM", sVex, sAll, full4)
    COMPARE_FLOAT(vcmppd, P66, W1, "V", "VM", sVex, sAll, full8)
    COMPARE_FLOAT(vcmpss, PF3, W0, "X", "XM", s128, s128, b4)
    COMPARE_FLOAT(vcmpsd, PF2, W1, "X", "XM", s128, s128, b8)
    row(Op::vucomiss, VE, s128, NP, M0F, W0, 0x2E, "RM", "X XM", plain4),
    row(Op::vucomisd, VE, s128, P66, M0F, WE, 0x2E, "RM", "X XM", plain8),
    row(Op::vptest, V, sVex, P66, M38, W0, 0x17, "RM", "V VM", full),
    row(Op::vblendps, V, sVex, P66, M3A, W0, 0x0C, "RVMI", "V V VM I8", full),
    row(Op::vblendpd, V, sVex, P66, M3A, W0, 0x0D, "RVMI", "V V VM I8", full),
    row(Op::vpblendd, V, sVex, P66, M3A, W0, 0x02, "RVMI", "V V VM I8", full),
    row(Op::vblendvps, V, sVex, P66, M3A, W0, 0x4A, "RVM4", "V V VM V", full),
    row(Op::vblendvpd, V, sVex, P66, M3A, W0, 0x4B, "RVM4", "V V VM V", full),
    row(Op::vpblendvb, V, sVex, P66, M3A, W0, 0x4C, "RVM4", "V V VM V", full),
    EVEX_DQ(vblendmps, vblendmpd, M38, 0x65, "RVM", "V V VM")
    EVEX_DQ(vpblendmd, vpblendmq, M38, 0x64, "RVM", "V V VM")

    // Conversions. A narrowing one from memory into xmm reads 32 bytes.
    row(Op::vcvtdq2ps, VE, sAll, NP, M0F, W0, 0x5B, "RM", "V VM", full4),
    WIDEN(vcvtdq2pd, PF3, M0F, 0xE6, "HM", half4)
    row(Op::vcvttps2dq, VE, sAll, PF3, M0F, W0, 0x5B, "RM", "V VM", full4),
    row(Op::vcvttpd2dq, VE, sAll, P66, M0F, WE, 0xE6, "RM", "H VM", full8),
    row(Op::vcvtps2dq, VE, sAll, P66, M0F, W0, 0x5B, "RM", "V VM", full4),
    row(Op::vcvtpd2dq, VE, sAll, PF2, M0F, WE, 0xE6, "RM", "H VM", full8),
    WIDEN(vcvtps2pd, NP, M0F, 0x5A, "HM", half4)
    row(Op::vcvtpd2ps, VE, sAll, P66, M0F, WE, 0x5A, "RM", "H VM", full8),
    row(Op::vcvtqq2pd, E, sAll, PF3, M0F, W1, 0xE6, "RM", "V VM", full8),
    row(Op::vcvtqq2ps, E, sAll, NP, M0F, W1, 0x5B, "RM", "H VM", full8),
    row(Op::vcvttpd2qq, E, sAll, P66, M0F, W1, 0x7A, "RM", "V VM", full8),
    row(Op::vcvttps2qq, E, sAll, P66, M0F, W0, 0x7A, "RM", "V HM", half4),
    row(Op::vcvtpd2qq, E, sAll, P66, M0F, W1, 0x7B, "RM", "V VM", full8),
    row(Op::vcvtsi2ss, VE, s128, PF3, M0F, W0, 0x2A, "RVM", "X X R32", plain),
    row(Op::vcvtsi2ss, VE, s128, PF3, M0F, W1, 0x2A, "RVM", "X X R64", plain),
    row(Op::vcvtsi2sd, VE, s128, PF2, M0F, W0, 0x2A, "RVM", "X X R32", plain),
    row(Op::vcvtsi2sd, VE, s128, PF2, M0F, W1, 0x2A, "RVM", "X X R64", plain),
    row(Op::vcvttss2si, VE, s128, PF3, M0F, W0, 0x2C, "RM", "R32 XM", plain4),
    row(Op::vcvttss2si, VE, s128, PF3, M0F, W1, 0x2C, "RM", "R64 XM", plain4),
    row(Op::vcvttsd2si, VE, s128, PF2, M0F, W0, 0x2C, "RM", "R32 XM", plain8),
    row(Op::vcvttsd2si, VE, s128, PF2, M0F, W1, 0x2C, "RM", "R64 XM", plain8),
    row(Op::vcvtss2sd, VE, s128, PF3, M0F, W0, 0x5A, "RVM", "X X XM", b4),
    row(Op::vcvtsd2ss, VE, s128, PF2, M0F, WE, 0x5A, "RVM", "X X XM", b8),
    WIDEN(vcvtph2ps, P66, M38, 0x13, "HM", half)
    row(Op::vcvtps2ph, VE, sAll, P66, M3A, W0, 0x1D, "MRI", "HM V I8", half),
    WIDEN(vpmovsxdq, P66, M38, 0x25, "HM", half)
    WIDEN(vpmovzxdq, P66, M38, 0x35, "HM", half)
    WIDEN(vpmovzxwd, P66, M38, 0x33, "HM", half)
    WIDEN(vpmovsxwd, P66, M38, 0x23, "HM", half)
    WIDEN(vpmovzxbd, P66, M38, 0x31, "XM", quarter)
    WIDEN(vpmovsxbd, P66, M38, 0x21, "XM", quarter)
    WIDEN(vpmovzxbq, P66, M38, 0x32, "XM", eighth)
    WIDEN(vpmovsxbq, P66, M38, 0x22, "XM", eighth)
    row(Op::vpmovqd, E, sAll, PF3, M38, W0, 0x35, "MR", "HM V", half),
    row(Op::vpmovdb, E, sAll, PF3, M38, W0, 0x31, "MR", "XM V", quarter),
    row(Op::vpmovqb, E, sAll, PF3, M38, W0, 0x32, "MR", "XM V", eighth),

    // Lanes: extract, insert, permute
    EXTRACT(vextractf128, V, s256, W0, 0x19, "XM", "V", b16)
    INSERT(vinsertf128, V, s256, W0, 0x18, "XM", "V", b16)
    EXTRACT(vextracti128, V, s256, W0, 0x39, "XM", "V", b16)
    INSERT(vinserti128, V, s256, W0, 0x38, "XM", "V", b16)
    EXTRACT(vextractf32x4, E, sWide, W0, 0x19, "XM", "V", b16)
    EXTRACT(vextractf64x2, E, sWide, W1, 0x19, "XM", "V", b16)
    EXTRACT(vextractf64x4, E, s512, W1, 0x1B, "YM", "V", b32)
    EXTRACT(vextracti32x4, E, sWide, W0, 0x39, "XM", "V", b16)
    EXTRACT(vextracti64x4, E, s512, W1, 0x3B, "YM", "V", b32)
    INSERT(vinsertf32x4, E, sWide, W0, 0x18, "XM", "V", b16)
    INSERT(vinsertf64x2, E, sWide, W1, 0x18, "XM", "V", b16)
    INSERT(vinsertf64x4, E, s512, W1, 0x1A, "YM", "V", b32)
    INSERT(vinserti32x4, E, sWide, W0, 0x38, "XM", "V", b16)
    INSERT(vinserti64x4, E, s512, W1, 0x3A, "YM", "V", b32)
    row(Op::vperm2f128, V, s256, P66, M3A, W0, 0x06, "RVMI", "V V VM I8", full),
    row(Op::vperm2i128, V, s256, P66, M3A, W0, 0x46, "RVMI", "V V VM I8", full),
    row(Op::vpermilps, VE, sAll, P66, M3A, W0, 0x04, "RMI", "V VM I8", full4),
    row(Op::vpermilps, VE, sAll, P66, M38, W0, 0x0C, "RVM", "V V VM", full4),
    row(Op::vpermilpd, VE, sAll, P66, M3A, WE, 0x05, "RMI", "V VM I8", full8),
    row(Op::vpermilpd, VE, sAll, P66, M38, WE, 0x0D, "RVM", "V V VM", full8),
    row(Op::vpermd, VE, sWide, P66, M38, W0, 0x36, "RVM", "V V VM", full4),
    row(Op::vpermps, VE, sWide, P66, M38, W0, 0x16, "RVM", "V V VM", full4),
    row(Op::vpermq, VE, sWide, P66, M3A, W1, 0x00, "RMI", "V VM I8", full8),
    row(Op::vpermq, E, sWide, P66, M38, W1, 0x36, "RVM", "V V VM", full8),
    row(Op::vpermpd, VE, sWide, P66, M3A, W1, 0x01, "RMI", "V VM I8", full8),
    row(Op::vpermpd, E, sWide, P66, M38, W1, 0x16, "RVM", "V V VM", full8),
    EVEX_DQ(vpermt2d, vpermt2q, M38, 0x7E, "RVM", "V V VM")
    EVEX_DQ(vpermt2ps, vpermt2pd, M38, 0x7F, "RVM", "V V VM")
    PACKED(vshufps, vshufpd, 0xC6, "RVMI", "V V VM I8")
    row(Op::vpshufd, VE, sAll, P66, M0F, W0, 0x70, "RMI", "V VM I8", full4),
    row(Op::vpshufb, VE, sAll, P66, M38, W0, 0x00, "RVM", "V V VM", full),
    PACKED(vunpcklps, vunpcklpd, 0x14, "RVM", "V V VM")
    PACKED(vunpckhps, vunpckhpd, 0x15, "RVM", "V V VM")
    INTEGER4(vpunpckldq, M0F, 0x62)
    INTEGER4(vpunpckhdq, M0F, 0x6A)
    INTEGER8(vpunpcklqdq, M0F, 0x6C)
    INTEGER8(vpunpckhqdq, M0F, 0x6D)
    EVEX_WIDE_DQ(vshuff32x4, vshuff64x2, M3A, 0x23, "RVMI", "V V VM I8")
    EVEX_WIDE_DQ(vshufi32x4, vshufi64x2, M3A, 0x43, "RVMI", "V V VM I8")
    EVEX_DQ(valignd, valignq, M3A, 0x03, "RVMI", "V V VM I8")
    row(Op::vpalignr, VE, sAll, P66, M3A, W0, 0x0F, "RVMI", "V V VM I8", full),
    INTEGER4(vpackssdw, M0F, 0x6B)
    row(Op::vpacksswb, VE, sAll, P66, M0F, W0, 0x63, "RVM", "V V VM", full),
    row(Op::vinsertps, VE, s128, P66, M3A, W0, 0x21, "RVMI", "X X XM I8", plain4),
    row(Op::vextractps, VE, s128, P66, M3A, W0, 0x17, "MRI", "R32M X I8", plain4),
    row(Op::vpextrb, VE, s128, P66, M3A, W0, 0x14, "MRI", "R32M X I8", plain1),
    row(Op::vpextrd, VE, s128, P66, M3A, W0, 0x16, "MRI", "R32M X I8", plain4),
    row(Op::vpextrq, VE, s128, P66, M3A, W1, 0x16, "MRI", "R64M X I8", plain8),
    row(Op::vpinsrd, VE, s128, P66, M3A, W0, 0x22, "RVMI", "X X R32M I8", plain4),
    row(Op::vpinsrq, VE, s128, P66, M3A, W1, 0x22, "RVMI", "X X R64M I8", plain8),

    // Gathers, scatters
    GATHER(vgatherdps, W0, 0x92, "V", "GV", b4, gather4)
    GATHER(vgatherdpd, W1, 0x92, "V", "GH", b8, gather8)
    GATHER(vgatherqps, W0, 0x93, "H", "GV", b4, gather4)
    GATHER(vgatherqpd, W1, 0x93, "V", "GV", b8, gather8)
    GATHER(vpgatherdd, W0, 0x90, "V", "GV", b4, gather4)
    GATHER(vpgatherdq, W1, 0x90, "V", "GH", b8, gather8)
    GATHER(vpgatherqd, W0, 0x91, "H", "GV", b4, gather4)
    GATHER(vpgatherqq, W1, 0x91, "V", "GV", b8, gather8)
    SCATTER(vscatterdps, W0, 0xA2, "V", "GV", gather4)
    SCATTER(vscatterdpd, W1, 0xA2, "V", "GH", gather8)
    SCATTER(vscatterqps, W0, 0xA3, "H", "GV", gather4)
    SCATTER(vscatterqpd, W1, 0xA3, "V", "GV", gather8)
    SCATTER(vpscatterdd, W0, 0xA0, "V", "GV", gather4)
    SCATTER(vpscatterdq, W1, 0xA0, "V", "GH", gather8)
    SCATTER(vpscatterqd, W0, 0xA1, "H", "GV", gather4)
    SCATTER(vpscatterqq, W1, 0xA1, "V", "GV", gather8)

    row(Op::vzeroupper, V, s128, NP, M0F, W0, 0x77, "", ""),

    // Opmasks
    OPMASK_MOVE(kmovb, P66, W0, P66, W0, "R32", plain1)
    OPMASK_MOVE(kmovw, NP, W0, NP, W0, "R32", plain2)
    OPMASK_MOVE(kmovd, P66, W1, PF2, W0, "R32", plain4)
    OPMASK_MOVE(kmovq, NP, W1, PF2, W1, "R64", plain8)
    OPMASK_WIDTHS(kand, s256, 0x41, "RVM", "K K K")
    OPMASK_WIDTHS(kandn, s256, 0x42, "RVM", "K K K")
    OPMASK_WIDTHS(knot, s128, 0x44, "RM", "K K")
    OPMASK_WIDTHS(kor, s256, 0x45, "RVM", "K K K")
    OPMASK_WIDTHS(kxnor, s256, 0x46, "RVM", "K K K")
    OPMASK_WIDTHS(kxor, s256, 0x47, "RVM", "K K K")
    OPMASK_WIDTHS(kortest, s128, 0x98, "RM", "K K")
    OPMASK_SHIFT(kshiftl, 0x32)
    OPMASK_SHIFT(kshiftr, 0x30)
    row(Op::vpmovm2d, E, sAll, PF3, M38, W0, 0x38, "RM", "V K", plain),
    row(Op::vpmovd2m, E, sAll, PF3, M38, W0, 0x39, "RM", "K V", plain),
    row(Op::vpmovm2q, E, sAll, PF3, M38, W1, 0x38, "RM", "V K", plain),
    row(Op::vpmovq2m, E, sAll, PF3, M38, W1, 0x39, "RM", "K V", plain),

    // General registers. Memory with an immediate, or alone, is 64 bits wide.
    row(Op::mov, G, sR, NP, M1, WR, 0x8B, "RM", "R RM", sized),
    row(Op::mov, G, sR, NP, M1, WR, 0x89, "MR", "M R", sized),
    row(Op::mov, G, none, NP, M1, W0, 0xB8, "OI", "R32 U32"),
    row(Op::mov, G, sR64, NP, M1, W1, 0xC7, "MI", "RM S32", digit(0, sized)),
    row(Op::mov, G, sR64, NP, M1, W1, 0xB8, "OI", "R64 I64"),
    row(Op::mov8, G, none, NP, M1, W0, 0x88, "MR", "M R8", plain1),
    row(Op::mov8, G, none, NP, M1, W0, 0xC6, "MI", "M I8", digit(0, plain1)),
    row(Op::movsxd, G, none, NP, M1, W1, 0x63, "RM", "R64 R32M", plain4),
    row(Op::movzx8, G, none, NP, M0F, W0, 0xB6, "RM", "R32 R8M", plain1),
    row(Op::movsx8, G, none, NP, M0F, W0, 0xBE, "RM", "R32 R8M", plain1),
    row(Op::movsx8, G, none, NP, M0F, W1, 0xBE, "RM", "R64 R8M", plain1),
    row(Op::lea, G, sR, NP, M1, WR, 0x8D, "RM", "R M", sized),
    ALU(add, 0)
    ALU(or_, 1)
    ALU(adc, 2)
    ALU(sbb, 3)
    ALU(and_, 4)
    ALU(sub, 5)
    ALU(xor_, 6)
    ALU(cmp, 7)
    LOAD_OP(imul, NP, 0xAF)
    row(Op::imul, G, sR, NP, M1, WR, 0x6B, "RMI", "R RM S8", sized),
    row(Op::imul, G, sR, NP, M1, WR, 0x69, "RMI", "R RM S32", sized),
    row(Op::test, G, sR, NP, M1, WR, 0x85, "MR", "RM R", sized),
    row(Op::test, G, sR, NP, M1, WR, 0xF7, "MI", "RM S32", digit(0, sized)),
    UNARY(inc, 0xFF, 0)
    UNARY(dec, 0xFF, 1)
    UNARY(not_, 0xF7, 2)
    UNARY(neg, 0xF7, 3)
    UNARY(mul, 0xF7, 4)
    UNARY(div_, 0xF7, 6)
    UNARY(idiv, 0xF7, 7)
    SHIFT_GPR(shl, 4)
    SHIFT_GPR(shr, 5)
    SHIFT_GPR(sar, 7)
    row(Op::cqo, G, none, NP, M1, W1, 0x99, "", ""),
    row(Op::cdq, G, none, NP, M1, W0, 0x99, "", ""),
    LOAD_OP(cmovb, NP, 0x42)
    LOAD_OP(cmovae, NP, 0x43)
    LOAD_OP(cmove, NP, 0x44)
    LOAD_OP(cmovne, NP, 0x45)
    LOAD_OP(cmovbe, NP, 0x46)
    LOAD_OP(cmova, NP, 0x47)
    LOAD_OP(cmovs, NP, 0x48)
    LOAD_OP(cmovns, NP, 0x49)
    LOAD_OP(cmovl, NP, 0x4C)
    LOAD_OP(cmovge, NP, 0x4D)
    LOAD_OP(cmovle, NP, 0x4E)
    LOAD_OP(cmovg, NP, 0x4F)
    LOAD_OP(tzcnt, PF3, 0xBC)
    LOAD_OP(lzcnt, PF3, 0xBD)
    LOAD_OP(popcnt, PF3, 0xB8)
    BMI_SHIFT(bzhi, NP, 0xF5)
    BMI_SHIFT(shlx, P66, 0xF7)
    BMI_SHIFT(sarx, PF3, 0xF7)
    BMI_SHIFT(shrx, PF2, 0xF7)
    row(Op::andn, V, sR, NP, M38, WR, 0xF2, "RVM", "R R RM", sized),
    SET(setb, 0x2)
    SET(setae, 0x3)
    SET(sete, 0x4)
    SET(setne, 0x5)
    SET(setbe, 0x6)
    SET(seta, 0x7)
    SET(setp, 0xA)
    SET(setnp, 0xB)
    SET(setl, 0xC)
    SET(setge, 0xD)
    SET(setle, 0xE)
    SET(setg, 0xF)

    // Control
    row(Op::push, G, none, NP, M1, W0, 0x50, "O", "R64"),
    row(Op::pop, G, none, NP, M1, W0, 0x58, "O", "R64"),
    row(Op::jmp, G, none, NP, M1, W0, 0xEB, "I", "L8"),
    row(Op::jmp, G, none, NP, M1, W0, 0xE9, "I", "L32"),
    row(Op::jmp, G, none, NP, M1, W0, 0xFF, "M", "R64M", digit(4, plain8)),
    row(Op::call, G, none, NP, M1, W0, 0xE8, "I", "L32"),
    row(Op::call, G, none, NP, M1, W0, 0xFF, "M", "R64M", digit(2, plain8)),
    FIXED(ret, NP, M1, 0xC3, plain)
    JUMP_IF(jb, 0x2)
    JUMP_IF(jae, 0x3)
    JUMP_IF(je, 0x4)
    JUMP_IF(jne, 0x5)
    JUMP_IF(jbe, 0x6)
    JUMP_IF(ja, 0x7)
    JUMP_IF(js, 0x8)
    JUMP_IF(jns, 0x9)
    JUMP_IF(jp, 0xA)
    JUMP_IF(jnp, 0xB)
    JUMP_IF(jl, 0xC)
    JUMP_IF(jge, 0xD)
    JUMP_IF(jle, 0xE)
    JUMP_IF(jg, 0xF)
    PREFETCH(prefetchnta, 0x18, 0)
    PREFETCH(prefetcht0, 0x18, 1)
    PREFETCH(prefetcht1, 0x18, 2)
    PREFETCH(prefetcht2, 0x18, 3)
    PREFETCH(prefetchw, 0x0D, 1)
    FIXED(nop, NP, M1, 0x90, plain)
    FIXED(pause, PF3, M1, 0x90, plain)
    FIXED(mfence, NP, M0F, 0xAE, digit(6))
    FIXED(sfence, NP, M0F, 0xAE, digit(7))
    FIXED(ud2, NP, M0F, 0x0B, plain)
};

// --- Index ----------------------------------------------------------------------------------

constexpr std::size_t op_count = static_cast<std::size_t>(Op::count_);
struct Range {
  std::uint16_t begin = 0, end = 0;
};

consteval std::array<Range, op_count> index_forms() {
  std::array<Range, op_count> ranges{};
  for (std::uint16_t i = 0; i < std::size(forms); ++i) {
    Range& range = ranges[static_cast<std::size_t>(forms[i].op)];
    if (range.end == 0) range.begin = i;
    else if (range.end != i) throw "forms of one mnemonic are not neighbours";
    range.end = static_cast<std::uint16_t>(i + 1);
  }
  for (const Range& range : ranges)
    if (range.end == 0) throw "a mnemonic without a form";
  return ranges;
}
constexpr auto ranges = index_forms();

constexpr std::uint16_t bit(Kind kind) {
  return static_cast<std::uint16_t>(1u << static_cast<int>(kind));
}

consteval Kind vector_kind(Size size) {
  return size == Size::b512 ? Kind::zmm : size == Size::b256 ? Kind::ymm : Kind::xmm;
}
consteval Kind half_kind(Size size) { return size == Size::b512 ? Kind::ymm : Kind::xmm; }
consteval Kind general_kind(Size size) { return size == Size::r32 ? Kind::gpr32 : Kind::gpr64; }

consteval std::uint16_t kinds_at(Class operand_class, Size size) {
  constexpr std::uint16_t memory = bit(Kind::mem);
  switch (operand_class) {
    case Class::V: return bit(vector_kind(size));
    case Class::VM: return bit(vector_kind(size)) | memory;
    case Class::H: return bit(half_kind(size));
    case Class::HM: return bit(half_kind(size)) | memory;
    case Class::X: return bit(Kind::xmm);
    case Class::XM: return bit(Kind::xmm) | memory;
    case Class::Y: return bit(Kind::ymm);
    case Class::YM: return bit(Kind::ymm) | memory;
    case Class::Z: return bit(Kind::zmm);
    case Class::K: return bit(Kind::mask);
    case Class::KM: return bit(Kind::mask) | memory;
    case Class::M: case Class::GV: case Class::GH: return memory;
    case Class::R: return bit(general_kind(size));
    case Class::RM: return bit(general_kind(size)) | memory;
    case Class::R32: case Class::R8: return bit(Kind::gpr32);
    case Class::R32M: case Class::R8M: return bit(Kind::gpr32) | memory;
    case Class::R64: return bit(Kind::gpr64);
    case Class::R64M: return bit(Kind::gpr64) | memory;
    case Class::CL: return bit(Kind::gpr32) | bit(Kind::gpr64);
    case Class::I8: case Class::S8: case Class::S32: case Class::U32: case Class::I64:
      return bit(Kind::imm);
    case Class::L8: case Class::L32: return bit(Kind::label);
    default: return 0;
  }
}

constexpr int class_count = static_cast<int>(Class::count_), size_count = 6;
using KindTable = std::array<std::array<std::uint16_t, size_count>, class_count>;

consteval KindTable tabulate_kinds() {
  KindTable table{};
  for (int c = 0; c < class_count; ++c)
    for (int s = 0; s < size_count; ++s)
      table[c][s] = kinds_at(static_cast<Class>(c), static_cast<Size>(s));
  return table;
}
constexpr KindTable kind_table = tabulate_kinds();

}  // namespace

std::span<const Form> all_forms() { return forms; }

std::span<const Form> forms_of(Op op) {
  const Range range = ranges[static_cast<std::size_t>(op)];
  return {forms + range.begin, forms + range.end};
}

std::uint16_t kinds_of(Class operand_class, Size size) {
  return kind_table[static_cast<std::size_t>(operand_class)][static_cast<std::size_t>(size)];
}

int memory_bytes(const Form& form, Size size) {
  const int vector = 16 << static_cast<int>(size);
  switch (form.memory) {
    case Bytes::none: return 0;
    case Bytes::full: return vector;
    case Bytes::half: return vector / 2;
    case Bytes::quarter: return vector / 4;
    case Bytes::eighth: return vector / 8;
    case Bytes::dup: return size == Size::b128 ? 8 : vector;
    case Bytes::b1: return 1;
    case Bytes::b2: return 2;
    case Bytes::b4: return 4;
    case Bytes::b8: return 8;
    case Bytes::b16: return 16;
    case Bytes::b32: return 32;
    case Bytes::by_size: return size == Size::r32 ? 4 : 8;
  }
  return 0;
}

}  // namespace loopnest::x86
