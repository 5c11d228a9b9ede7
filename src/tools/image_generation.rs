//! The tool that makes images.

use crate::openai::types;

hosted_tool! {
    /// Images that the model makes or edits, by the server. They are items of the response.
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::{ImageFormat, ImageGenerationTool, ImageQuality};
    ///
    /// let images = ImageGenerationTool::new()
    ///     .with_quality(ImageQuality::Low)
    ///     .with_size("1024x1024")
    ///     .with_output_format(ImageFormat::Webp);
    /// ```
    ImageGenerationTool(ImageGenTool) {
        action: None,
        background: None,
        input_fidelity: None,
        input_image_mask: None,
        model: None,
        moderation: None,
        output_compression: None,
        output_format: None,
        partial_images: None,
        quality: None,
        size: None,
        type_: types::ImageGenToolType::ImageGeneration,
    }
}

tool_choices! {
    /// Whether images are made or edited.
    ImageAction(ImageGenActionEnum) {
        /// A new image.
        Generate = Generate,
        /// An image of the conversation, changed.
        Edit = Edit,
        /// As the model decides.
        Auto = Auto,
    }
}

tool_choices! {
    /// The background of an image.
    ImageBackground(ImageGenToolBackground) {
        /// Transparent, for PNG and WebP.
        Transparent = Transparent,
        /// Opaque.
        Opaque = Opaque,
        /// As the model decides.
        Auto = Auto,
    }
}

tool_choices! {
    /// How closely an edited image keeps to the one that was given.
    ImageFidelity(InputFidelity) {
        /// Closely, faces above all.
        High = High,
        /// Roughly.
        Low = Low,
    }
}

tool_choices! {
    /// How strictly images are moderated.
    ImageModeration(ImageGenToolModeration) {
        /// The server's default.
        Auto = Auto,
        /// Less strictly.
        Low = Low,
    }
}

tool_choices! {
    /// The format of an image.
    ImageFormat(ImageGenToolOutputFormat) {
        /// PNG.
        Png = Png,
        /// WebP.
        Webp = Webp,
        /// JPEG.
        Jpeg = Jpeg,
    }
}

tool_choices! {
    /// The quality of an image, which decides how long it takes and what it costs.
    ImageQuality(ImageGenToolQuality) {
        /// The least.
        Low = Low,
        /// The middle one.
        Medium = Medium,
        /// The best.
        High = High,
        /// As the model decides.
        Auto = Auto,
    }
}

impl ImageGenerationTool {
    tool_settings! {
        /// Whether images are made or edited.
        with_action(action: ImageAction);
        /// The background.
        with_background(background: ImageBackground);
        /// How closely an edited image keeps to the one that was given.
        with_input_fidelity(input_fidelity: ImageFidelity);
        /// The model that makes the images, such as `gpt-image-2`.
        with_model(model: impl Into<String>);
        /// How strictly images are moderated.
        with_moderation(moderation: ImageModeration);
        /// The quality after compression, in percent, for WebP and JPEG.
        with_output_compression(output_compression: u8);
        /// The format.
        with_output_format(output_format: ImageFormat);
        /// How many unfinished images a stream has before each finished one, 3 at most.
        with_partial_images(partial_images: u8);
        /// The quality.
        with_quality(quality: ImageQuality);
        /// The width and height in pixels, such as `1024x1536`, or `auto`.
        with_size(size: impl Into<String>);
    }

    /// Edits only where this image is transparent: its URL, which may be a data URL.
    #[must_use]
    pub fn with_mask_url(mut self, url: impl Into<String>) -> Self {
        let mask = types::ImageGenToolInputImageMask { file_id: None, image_url: Some(url.into()) };
        self.tool.input_image_mask = Some(mask);
        self
    }

    /// Edits only where this image is transparent: the id of an uploaded file.
    #[must_use]
    pub fn with_mask_file_id(mut self, file_id: impl Into<String>) -> Self {
        let mask = types::ImageGenToolInputImageMask { file_id: Some(file_id.into()), image_url: None };
        self.tool.input_image_mask = Some(mask);
        self
    }
}
