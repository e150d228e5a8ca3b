/* op_list.h: every operator there is, one line each, by family in the order of the files. Included with OP
 * defined: once to declare them all (ops.h), once to make op_table. */
/* unary.c */
OP(abs)
OP(neg)
OP(sign)
OP(relu)
OP(floor)
OP(ceil)
OP(round)
OP(reciprocal)
OP(sqrt)
OP(exp)
OP(log)
OP(erf)
OP(sin)
OP(cos)
OP(tan)
OP(asin)
OP(acos)
OP(atan)
OP(sinh)
OP(cosh)
OP(asinh)
OP(acosh)
OP(atanh)
OP(tanh)
OP(isnan)
OP(isinf)
/* activation.c */
OP(sigmoid)
OP(leaky_relu)
OP(elu)
OP(celu)
OP(selu)
OP(hard_sigmoid)
OP(hard_swish)
OP(softplus)
OP(softsign)
OP(thresholded_relu)
OP(shrink)
OP(mish)
OP(swish)
OP(gelu)
OP(ms_gelu)
/* binary.c */
OP(add)
OP(sub)
OP(mul)
OP(div)
OP(bit_and)
OP(bit_or)
OP(bit_xor)
OP(prelu)
OP(mod)
OP(bit_shift)
OP(pow)
OP(max)
OP(min)
OP(sum)
OP(mean)
/* compare.c */
OP(equal)
OP(less)
OP(greater)
OP(less_equal)
OP(greater_equal)
OP(and)
OP(or)
OP(xor)
OP(not )
OP(bit_not)
OP(where)
/* convert.c */
OP(cast)
OP(cast_like)
OP(bit_cast)
OP(clip)
/* matrix.c */
OP(gemm)
OP(matmul)
/* convolve.c */
OP(conv)
/* convolve_transposed.c */
OP(conv_transpose)
/* convolve_deformed.c */
OP(deform_conv)
/* pool.c */
OP(max_pool)
OP(average_pool)
OP(lp_pool)
OP(global_max_pool)
OP(global_average_pool)
OP(global_lp_pool)
/* unpool.c */
OP(max_unpool)
OP(col2im)
/* normalize.c */
OP(batch_normalization)
OP(layer_normalization)
OP(rms_normalization)
OP(instance_normalization)
OP(group_normalization)
OP(lp_normalization)
OP(lrn)
/* mean_variance.c */
OP(mean_variance)
/* softmax.c */
OP(softmax)
OP(log_softmax)
OP(hardmax)
/* loss.c */
OP(likelihood_loss)
OP(entropy_loss)
/* reduce.c */
OP(reduce_sum)
OP(reduce_mean)
OP(reduce_max)
OP(reduce_min)
OP(reduce_prod)
OP(reduce_l1)
OP(reduce_l2)
OP(reduce_log_sum)
OP(reduce_log_sum_exp)
OP(reduce_sum_square)
OP(arg_max)
OP(arg_min)
/* topk.c */
OP(topk)
/* view.c */
OP(identity)
OP(reshape)
OP(flatten)
OP(squeeze)
OP(unsqueeze)
OP(dropout)
OP(zip_map)
/* move.c */
OP(transpose)
OP(concat)
OP(split)
OP(slice)
OP(tile)
OP(expand)
/* blocks.c */
OP(depth_to_space)
OP(space_to_depth)
/* pad.c */
OP(pad)
/* center_crop_pad.c */
OP(center_crop_pad)
/* gather.c */
OP(gather)
OP(gather_elements)
OP(gather_nd)
/* scatter.c */
OP(scatter)
OP(scatter_elements)
OP(scatter_nd)
OP(tensor_scatter)
/* reverse_sequence.c */
OP(reverse_sequence)
/* resize.c */
OP(upsample)
OP(resize)
/* grid_sample.c */
OP(grid_sample)
OP(ms_grid_sample)
OP(affine_grid)
/* roi.c */
OP(roi_align)
OP(max_roi_pool)
OP(crop_and_resize)
/* fill.c */
OP(shape)
OP(size)
OP(constant_of_shape)
OP(range)
OP(one_hot)
OP(trilu)
OP(eye_like)
/* cumulate.c */
OP(cum_sum)
OP(cum_prod)
/* einsum.c */
OP(einsum)
/* determinant.c */
OP(det)
/* fourier.c */
OP(dft_17)
OP(dft)
OP(stft)
/* signal_window.c */
OP(hann_window)
OP(hamming_window)
OP(blackman_window)
OP(mel_weight_matrix)
/* recurrent.c */
OP(lstm)
OP(gru)
OP(rnn)
/* attention.c */
OP(attention)
OP(flex_attention)
/* attention_ms.c */
OP(ms_attention)
/* attention_heads.c */
OP(multi_head_attention)
/* attention_group.c */
OP(group_query_attention)
/* linear_attention.c */
OP(linear_attention)
OP(causal_conv)
/* rotary.c */
OP(rotary)
OP(ms_rotary)
/* fused.c */
OP(fused_conv)
OP(fused_linear)
/* bias.c */
OP(fast_gelu)
OP(bias_gelu)
OP(quick_gelu)
OP(bias_add)
OP(split_gelu)
OP(swiglu)
OP(bias_softmax)
/* skip_norm.c */
OP(skip_layer_normalization)
OP(skip_simplified)
OP(simplified)
OP(embed_layer_normalization)
/* group_norm.c */
OP(group_norm)
OP(skip_group_norm)
/* matrix_ms.c */
OP(fused_matmul)
OP(transpose_matmul)
OP(fused_matmul_activation)
OP(inverse)
/* fused_ms.c */
OP(ms_fused_gemm)
OP(ms_fused_conv)
/* alias_ms.c */
OP(ms_trilu)
OP(ms_gather_nd)
OP(ms_reduce_sum)
OP(ms_expand_dims)
/* affine.c */
OP(affine)
/* ml_tree.c */
OP(tree_classifier)
OP(tree_regressor)

/* ml_tree_ensemble.c */
OP(tree_ensemble)
/* ml_linear.c */
OP(linear_classifier)
OP(linear_regressor)
/* ml_features.c */
OP(scaler)
OP(normalizer)
OP(imputer)
OP(binarizer)
OP(extractor)
OP(vectorizer)
/* ml_category.c */
OP(label_encoder)
OP(category_mapper)
OP(one_hot_encoder)
/* string.c */
OP(string_concat)
OP(string_split)
/* string_normalize.c */
OP(string_normalizer)
/* regex_match.c */
OP(regex_full_match)
/* tokenize.c */
OP(tokenizer)
/* ml_ngram.c */
OP(tf_idf_vectorizer)
/* token_counts.c */
OP(token_counts)
/* ml_svm.c */
OP(svm_classifier)
OP(svm_regressor)
/* quantize.c */
OP(quantize)
OP(ms_quantize)
OP(dequantize)
OP(ms_dequantize)
OP(dynamic_quantize)
/* quant_product.c */
OP(matmul_integer)
OP(qlinear_matmul)
OP(qgemm)
OP(matmul_to_float)
OP(dynamic_matmul)
/* quant_convolve.c */
OP(conv_integer)
OP(qlinear_conv)
/* quant_through.c */
OP(qlinear_add)
OP(qlinear_mul)
OP(qlinear_leaky_relu)
OP(qlinear_sigmoid)
OP(qlinear_softmax)
OP(qlinear_average_pool)
OP(qlinear_global_average_pool)
OP(qlinear_reduce_mean)
OP(qlinear_where)
OP(qlinear_concat)
/* matmul_nbits.c */
OP(matmul_nbits)
/* select.c */
OP(nonzero)
OP(compress)
/* unique.c */
OP(unique)
/* box_nms.c */
OP(box_nms)
/* if.c, loop.c, scan.c */
OP(if)
OP(loop)
OP(scan)
OP(scan_8)
