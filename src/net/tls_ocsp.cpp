#include "net/tls_ocsp.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <memory>

namespace ferry::net {
namespace {

using response_owner = std::unique_ptr<OCSP_RESPONSE, freed_by<::OCSP_RESPONSE_free>>;
using basic_owner = std::unique_ptr<OCSP_BASICRESP, freed_by<::OCSP_BASICRESP_free>>;

bool has_serial(OCSP_BASICRESP* basic, const ASN1_INTEGER* wanted) {
    for (int i = 0; i < ::OCSP_resp_count(basic); ++i) {
        // The library's signature is not const; it only reads.
        auto* const id =
            const_cast<OCSP_CERTID*>(::OCSP_SINGLERESP_get0_id(::OCSP_resp_get0(basic, i)));
        ASN1_INTEGER* serial = nullptr;
        if (::OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, id) == 1 &&
            ::ASN1_INTEGER_cmp(serial, wanted) == 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::string why_not_stapled(std::string_view der, X509* certificate) {
    // Octets of ASN.1, signed or not.
    const auto* octets = reinterpret_cast<const unsigned char*>(der.data());
    const auto* const end = octets + der.size();
    const response_owner response(
        ::d2i_OCSP_RESPONSE(nullptr, &octets, static_cast<long>(der.size())));
    if (!response || octets != end) {
        ::ERR_clear_error();
        return "it is no response of OCSP in DER (RFC 6960)";
    }
    if (const int status = ::OCSP_response_status(response.get());
        status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        return fmt::format("it says only \"{}\"", ::OCSP_response_status_str(status));
    }
    const basic_owner basic(::OCSP_response_get1_basic(response.get()));
    if (!basic) {
        ::ERR_clear_error();
        return "it is a response of a kind that nobody knows";
    }
    return has_serial(basic.get(), ::X509_get0_serialNumber(certificate))
               ? ""
               : "it is of another certificate";
}

}  // namespace ferry::net
