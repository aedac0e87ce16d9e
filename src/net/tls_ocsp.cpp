#include "net/tls_ocsp.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <ctime>
#include <limits>
#include <memory>
#include <utility>

namespace ferry::net {
namespace {

using response_owner = std::unique_ptr<OCSP_RESPONSE, freed_by<::OCSP_RESPONSE_free>>;
using basic_owner = std::unique_ptr<OCSP_BASICRESP, freed_by<::OCSP_BASICRESP_free>>;

/// Null: it is no response of OCSP in DER.
response_owner read_response(std::string_view der) {
    // Octets of ASN.1, signed or not.
    const auto* octets = reinterpret_cast<const unsigned char*>(der.data());
    const auto* const end = octets + der.size();
    response_owner response(::d2i_OCSP_RESPONSE(nullptr, &octets, static_cast<long>(der.size())));
    return octets == end ? std::move(response) : nullptr;
}

/// What is said of the certificate with that number; null: nothing.
OCSP_SINGLERESP* response_about(OCSP_BASICRESP* basic, const ASN1_INTEGER* wanted) {
    for (int i = 0; i < ::OCSP_resp_count(basic); ++i) {
        auto* const single = ::OCSP_resp_get0(basic, i);
        // The library's signature is not const; it only reads.
        auto* const id = const_cast<OCSP_CERTID*>(::OCSP_SINGLERESP_get0_id(single));
        ASN1_INTEGER* serial = nullptr;
        if (::OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, id) == 1 &&
            ::ASN1_INTEGER_cmp(serial, wanted) == 0) {
            return single;
        }
    }
    return nullptr;
}

}  // namespace

std::string why_not_stapled(std::string_view der, X509* certificate) {
    const auto response = read_response(der);
    if (!response) {
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
    return response_about(basic.get(), ::X509_get0_serialNumber(certificate)) != nullptr
               ? ""
               : "it is of another certificate";
}

std::int64_t end_of_staple(std::string_view der, X509* certificate) {
    const auto response = read_response(der);
    const basic_owner basic(response ? ::OCSP_response_get1_basic(response.get()) : nullptr);
    auto* const single =
        basic ? response_about(basic.get(), ::X509_get0_serialNumber(certificate)) : nullptr;
    ASN1_GENERALIZEDTIME* end = nullptr;
    if (single == nullptr ||
        ::OCSP_single_get0_status(single, nullptr, nullptr, nullptr, &end) < 0) {
        ::ERR_clear_error();
        return std::numeric_limits<std::int64_t>::min();
    }
    if (end == nullptr) {
        return std::numeric_limits<std::int64_t>::max();
    }
    std::tm fields{};
    if (::ASN1_TIME_to_tm(end, &fields) != 1) {
        ::ERR_clear_error();
        return std::numeric_limits<std::int64_t>::min();
    }
    return ::timegm(&fields);
}

}  // namespace ferry::net
