#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Line ends between files and the network, piece by piece: files hold LF as Unix has it, the
/// network carries CRLF (NVT-ASCII, RFC 959 section 3.1.1.1; the text lines of mail protocols).
///
/// The result never depends on where the pieces are cut. Nothing is held back but one CR, so memory
/// stays at what the caller gives. A converter serves one transfer; make a new one for the next.
namespace ferry::vfs::text {

/// From the stored form to the network form: LF becomes CRLF. A CRLF that is stored already goes
/// out as it is: its CR is never doubled. A CR elsewhere is kept.
class to_network {
  public:
    /// Appends the network form of `stored`, the next octets of the file, to `out`: at most twice
    /// as many octets. Nothing is pending after the last piece. Cost: a look and a copy for each
    /// 64 octets and for each line.
    void convert(std::string_view stored, std::string& out);

  private:
    bool after_cr_ = false;
};

/// From the network form to the stored form: CRLF becomes LF. A CR that no LF follows and a bare LF
/// are kept, so text that was never in network form comes through with no octet lost.
///
/// What `to_network` made of a file without CRLF comes back exactly; a stored CRLF comes back as
/// LF, since the network form of both is the same.
class from_network {
  public:
    /// Appends the stored form of `received`, the next octets from the peer, to `out`: never more
    /// than one octet longer. A CR at the end waits for the next piece. Cost: a look and a copy for
    /// each 64 octets and for each line.
    void convert(std::string_view received, std::string& out);

    /// Ends the transfer: appends the CR that was waiting, if any. Call it once, after the last
    /// piece, or the file may lack its last octet.
    void finish(std::string& out);

    /// A CR waits for the next piece.
    [[nodiscard]] bool has_pending_cr() const noexcept { return pending_cr_; }

  private:
    bool pending_cr_ = false;
};

/// Counts the octets `to_network` would produce without producing them: what SIZE answers in TYPE A
/// (RFC 3659 section 4). The caller bounds how much of a file it reads for that.
class network_size {
  public:
    /// Counts the next octets of the file. Cost: one pass without branches.
    void add(std::string_view stored) noexcept;

    /// The sum so far.
    [[nodiscard]] std::uint64_t octets() const noexcept { return octets_; }

  private:
    std::uint64_t octets_ = 0;
    bool after_cr_ = false;
};

}  // namespace ferry::vfs::text
