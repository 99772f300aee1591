#include "datasets/jpeg.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it before
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "base/error.h"

namespace quantbench {
namespace {

// Each scan of a progressive JPEG goes over the whole image and may take a few bytes of the file.
constexpr int kMostScans = 500;

// libjpeg reports by functions that must not return, hence the jumps. They leave nothing undone:
// in the functions that are jumped out of, no object has a destructor.
class Decoder {
 public:
  Decoder() {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = fail;
    errors_.emit_message = note;
    info_.client_data = this;
    progress_.progress_monitor = watch;
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&info_); }

  // Whether it worked; why not is in message().
  bool start(const std::string& bytes, int reduction) {
    if (setjmp(failed_)) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info_, TRUE);
    info_.scale_num = 1;
    info_.scale_denom = static_cast<unsigned>(reduction);
    info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_EXT_BGR;
    jpeg_start_decompress(&info_);
    return true;
  }

  cv::Size size() const {
    return {static_cast<int>(info_.output_width), static_cast<int>(info_.output_height)};
  }
  int channels() const { return info_.output_components; }

  // All rows into `first` and what follows it.
  bool read(unsigned char* first, size_t row_bytes) {
    if (setjmp(failed_)) return false;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW rows[4];  // the most that one call fills
      for (unsigned i = 0; i < 4; ++i) rows[i] = first + (info_.output_scanline + i) * row_bytes;
      const unsigned left = info_.output_height - info_.output_scanline;
      jpeg_read_scanlines(&info_, rows, left < 4 ? left : 4);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  const char* message() const { return message_; }  // the first; empty: none

 private:
  static Decoder& of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

  static void fail(j_common_ptr info) {
    of(info).message_[0] = '\0';  // what ends it is more than what went before
    keep(info);
    std::longjmp(of(info).failed_, 1);
  }

  // Of what is below zero the image suffers; the rest is for whoever debugs libjpeg.
  static void note(j_common_ptr info, int level) {
    if (level >= 0) return;
    if (info->err->msg_code == JWRN_JPEG_EOF) fail(info);
    keep(info);
  }

  static void watch(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
    std::snprintf(of(info).message_, sizeof message_, "more than %d scans", kMostScans);
    std::longjmp(of(info).failed_, 1);
  }

  static void keep(j_common_ptr info) {
    if (of(info).message_[0] == '\0') info->err->format_message(info, of(info).message_);
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf failed_{};
  char message_[JMSG_LENGTH_MAX]{};
};

// Adobe's inks are stored inverted: 255 is none. The rounding is OpenCV's.
cv::Mat without_inks(const cv::Mat& inks) {
  cv::Mat out(inks.size(), CV_8UC3);
  for (int y = 0; y < inks.rows; ++y) {
    const unsigned char* from = inks.ptr(y);
    unsigned char* to = out.ptr(y);
    for (int x = 0; x < inks.cols; ++x, from += 4, to += 3) {
      const int black = from[3];
      for (int c = 0; c < 3; ++c)
        to[2 - c] = static_cast<unsigned char>(black - ((255 - from[c]) * black >> 8));
    }
  }
  return out;
}

}  // namespace

DecodedJpeg decode_jpeg(const std::string& bytes, int reduction, const std::string& what) {
  Decoder decoder;
  const auto check = [&](bool worked) {
    require(worked, "{} cannot be decoded: {}.", what, decoder.message());
  };
  check(decoder.start(bytes, reduction));
  DecodedJpeg out;
  out.image.create(decoder.size(), CV_8UC(decoder.channels()));
  check(decoder.read(out.image.data, out.image.step));
  if (decoder.channels() == 4) out.image = without_inks(out.image);
  out.damage = decoder.message();
  return out;
}

}  // namespace quantbench
